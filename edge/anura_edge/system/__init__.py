"""Facts about the computer, and messages to systemd."""
