"""Real devices, brokers and base stations, and faults of them. `bench/faults` and `tests/faults` use it."""
