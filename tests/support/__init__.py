"""Real components for tests, the demo and the benchmarks, each private and on loopback."""
