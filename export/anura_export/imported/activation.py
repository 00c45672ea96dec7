"""What turns the output of a graph into probabilities. Loads no onnx, so that the command shows its help at once."""

from enum import StrEnum


class Activation(StrEnum):
    """What turns the output of the graph into probabilities."""

    NONE = "none"
    SIGMOID = "sigmoid"
    """Labels are independent: several can be present."""
    SOFTMAX = "softmax"
    """Exactly one label is present."""
