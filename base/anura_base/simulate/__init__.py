"""A season that never was: frogs, weather and recorders, told over the real wire to a real base station."""
