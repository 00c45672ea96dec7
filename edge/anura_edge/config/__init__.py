"""Settings of the device: types, defaults and loading."""
