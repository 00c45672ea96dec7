"""Trains and evaluates recipes on the same folds, and writes one table of results."""
