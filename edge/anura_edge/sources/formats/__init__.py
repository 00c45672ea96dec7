"""Formats of audio files: where the audio lies, how long it is, and how its samples are stored."""
