"""The command `anura-train`."""
