"""Credentials of the devices at the broker: passwords, certificates and join files."""
