"""Post-training int8 quantization and what it costs in accuracy."""
