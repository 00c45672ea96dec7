"""Clocks: the time of a sample, and monotonic time."""
