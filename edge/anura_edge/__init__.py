"""anura-edge on the device: audio in, calls out. numpy and onnxruntime, never torch."""

import os

# onnxruntime tells its makers about each machine and session, and writes an id of the machine into the user's home
# (microsoft/onnxruntime#27379). A device tells nobody anything but its base station. Set before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
