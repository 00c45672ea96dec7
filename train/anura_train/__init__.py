"""Trains the models that anura-edge hears with: datasets, front end, networks, an explicit loop, honest evaluation."""
