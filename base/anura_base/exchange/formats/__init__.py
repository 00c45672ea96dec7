"""Formats that need more of the database than its calls: packages, occurrences and typed tables."""
