"""Metadata that recorders write into file names, headers and logs."""
