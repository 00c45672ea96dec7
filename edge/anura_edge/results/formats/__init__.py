"""Formats of other programs. Each yields its file in parts, so that any number of rows fits into memory."""
