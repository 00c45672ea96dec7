"""anura-edge at the base station: receives calls and effort over MQTT, stores them, acknowledges and shows them."""
