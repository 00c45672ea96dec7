"""Readers of data set layouts: one module for each layout."""
