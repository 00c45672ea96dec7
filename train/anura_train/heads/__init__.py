"""Heads on the embedding of a frozen network, fitted in closed form."""
