"""Connections to other home and monitoring systems."""
