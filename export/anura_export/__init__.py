"""From a trained checkpoint to a bundle that a device trusts."""
