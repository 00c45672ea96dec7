"""How rows reach the base station: each once, whatever brokers and links do."""
