"""Settings of the device: sections, defaults and the strict YAML loader."""
