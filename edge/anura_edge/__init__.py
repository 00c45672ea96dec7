"""The device: it detects frog calls in audio, and sends them to a base station. It needs no torch."""

import os

# onnxruntime sends data about each machine and session to its makers, and writes an id of the machine into the user's
# home (microsoft/onnxruntime#27379). A device sends data to its base station only. Set this before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
