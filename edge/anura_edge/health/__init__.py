"""How the device is: what its stages and its machine say, and who is told."""
