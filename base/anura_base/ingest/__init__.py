"""From MQTT message to committed row to acknowledgement."""
