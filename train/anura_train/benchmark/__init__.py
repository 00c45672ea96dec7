"""Every recipe on the same folds, in one table."""
