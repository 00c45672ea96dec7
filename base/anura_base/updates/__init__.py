"""Models and settings for devices: the packages, the devices that get them, and their results."""
