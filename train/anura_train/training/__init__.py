"""Training: loop, losses, distillation, quantization-aware training."""
