"""Suggests which audio to label next."""
