"""Microphone capture in a process of its own."""
