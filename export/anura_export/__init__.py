"""Exports a trained checkpoint as a bundle, and verifies the bundle."""
