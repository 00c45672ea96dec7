"""The networks, and how a recipe names them."""

from anura_train.models.resnet import WindowNet
from anura_train.models.stream import StreamNet
from anura_train.recipe import ResNetSettings, StreamSettings

Net = StreamNet | WindowNet
"""Both turn features into rows of logits (`learn`), a recording into rows (`rows`) of known `step_samples` and
`span_samples`, and end in a `calibration`."""


def build(settings: StreamSettings | ResNetSettings, labels: int) -> Net:
    """Return the untrained network that a recipe asks for."""
    if isinstance(settings, StreamSettings):
        return StreamNet(labels, settings.width, settings.hidden, settings.dropout)
    return WindowNet(labels, settings.dropout)
