"""Figures that anyone can make: `make bench`. Ratios of things measured side by side in one run."""
