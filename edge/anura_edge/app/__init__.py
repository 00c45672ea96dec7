"""Entry points of the device program: scan files, run with a microphone, diagnose."""
