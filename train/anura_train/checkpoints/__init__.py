"""Checkpoints on disk, of a running training and of a finished model."""
