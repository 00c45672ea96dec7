"""Training batches from recordings: audio cache, windows, augmentation."""
