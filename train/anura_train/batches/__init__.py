"""From recordings to training batches: cache, windows, augmentation."""
