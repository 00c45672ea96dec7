"""The digest of a night: read from the database, rendered as HTML and text, sent by schedule."""
