"""A simulated season: frogs, weather and recorders, whose messages go through a real broker to a real base station."""
