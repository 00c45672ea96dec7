"""Model bundles and classifiers: from blocks of audio to scores."""
