"""Microphones: capture in a separate process, reconnection, and time of each sample."""
