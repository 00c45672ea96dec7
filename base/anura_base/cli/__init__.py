"""The command `anura-base`."""
