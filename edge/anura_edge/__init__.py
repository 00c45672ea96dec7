"""anura-edge on the device: audio in, calls out. numpy and onnxruntime, never torch."""

__version__ = "0.1.0"
