"""Metrics of whole data sets, with an interval for each value."""
