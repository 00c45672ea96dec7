"""Health of the device: heartbeats of its stages, disk, battery, and the reports about them."""
