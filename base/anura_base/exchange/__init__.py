"""How a base station's data leave it: whole, as a backup, or as tables that other programs read."""
