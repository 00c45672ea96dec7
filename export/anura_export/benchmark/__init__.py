"""Cost of a bundle: speed, memory, multiply-adds, start time."""
