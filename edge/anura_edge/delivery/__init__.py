"""Delivery of rows, health messages and clips to the base station over MQTT."""
