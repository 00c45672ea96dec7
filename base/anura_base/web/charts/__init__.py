"""Colours, lines and axes of the charts on pages."""
