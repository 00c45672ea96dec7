"""Models and settings for devices: what is offered, to which devices, and what became of it there."""
