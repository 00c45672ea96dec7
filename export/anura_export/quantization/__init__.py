"""Post-training int8 quantization, and its loss of accuracy."""
