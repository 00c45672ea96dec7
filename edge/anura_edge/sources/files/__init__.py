"""Audio files: finding, identifying and reading them."""
