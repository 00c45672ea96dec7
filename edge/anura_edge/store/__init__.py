"""The journal of the device: one SQLite file with all rows, the outbox and the scan history."""
