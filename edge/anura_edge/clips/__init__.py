"""Saved audio around calls: which is worth its place, and where it lies."""
