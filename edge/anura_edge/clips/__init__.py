"""Clips, the stored audio around events: recording, ranking, storing and finding them."""
