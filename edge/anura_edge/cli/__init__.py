"""The command line of the device: one module for each group of commands."""
