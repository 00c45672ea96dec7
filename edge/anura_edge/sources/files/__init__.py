"""Audio files: find, identify, read and watch them."""
