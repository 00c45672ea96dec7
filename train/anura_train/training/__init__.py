"""The training loop, losses, distillation and quantization-aware training."""
