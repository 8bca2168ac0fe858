"""Measures this SDK and its peers in one run: `python -m benchmarks`."""
