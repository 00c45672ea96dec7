"""Limits for clients that are not logged in yet: connections, silence, and the size and duration of requests."""
