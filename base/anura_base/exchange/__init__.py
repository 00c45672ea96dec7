"""Data in and out of a base station: backups, exports for other programs, and training sets."""
