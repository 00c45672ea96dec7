"""Lines and axes of the charts on pages."""
