"""From a message of the broker to committed rows to the acknowledgement."""
