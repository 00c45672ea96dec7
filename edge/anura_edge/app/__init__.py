"""The device program: scan files, run with a microphone, and check the device."""
