"""Microphones: capture in a process of its own, reconnection, and time of each sample."""
