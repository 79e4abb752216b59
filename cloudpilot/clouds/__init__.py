"""Clouds: whole servers as snapshots, made and kept by the provider through its API."""
