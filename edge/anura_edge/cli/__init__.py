"""The command `anura-edge`."""
