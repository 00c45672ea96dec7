"""Clips: short audio files around calls. Devices send them in parts on request."""
