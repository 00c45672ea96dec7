"""Settings of the base station: types, defaults and loading."""
