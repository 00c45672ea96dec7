"""What the device remembers: one SQLite file, the queue in it, and what happens when it is old, full or damaged."""
