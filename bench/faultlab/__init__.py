"""What `bench/faults` and `tests/faults` share: real devices and a real base station, and ways to hurt them."""
