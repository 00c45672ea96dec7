"""Clocks: time of a sample, monotonic time."""
