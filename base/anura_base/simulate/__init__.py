"""A simulated season: frogs, weather and devices, whose messages go through a real broker to a real base station."""
