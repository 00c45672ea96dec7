"""What a recipe may say of its network."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

RATE_HZ = 22_050
"""Sampling rate of all networks but AST. Frogs of our region call below 8 kHz, and 44.1 kHz is exactly twice it."""

Share = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """A part of a recipe: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ContrastFeatures(Strict):
    """Our own log-mel features as differences, so that gain and distance do not matter (`cnn.Contrasts`)."""

    kind: Literal["contrast"]


class MelFeatures(Strict):
    """torchaudio's mel spectrogram in decibels, as a photograph (`frontend.MelDecibels`, `cnn.Photograph`)."""

    kind: Literal["mel"]
    window_samples: int = Field(ge=64, le=8_192, multiple_of=2)
    hop_samples: int = Field(ge=16, le=8_192)
    mels: int = Field(ge=8, le=256)
    bank_rate_hz: int = Field(default=22_050, gt=0)
    """The rate that the mel bank is built for: the audio's, unless a fault is to be repeated."""
    mean_db: float = 0.0
    spread_db: float = Field(default=1.0, gt=0)
    """Features are (level - mean_db) / spread_db."""
    height: int = Field(ge=32, le=1_024)
    width: int = Field(ge=32, le=1_024)
    """Size of the photograph."""


class StreamSettings(Strict):
    """The streaming student (`stream.py`)."""

    kind: Literal["stream"]
    width: int = Field(ge=4, le=128)
    """Channels of the first convolution; later ones have two and four times as many."""
    hidden: int = Field(ge=8, le=512)
    dropout: Share


class CnnSettings(Strict):
    """A network for photographs (`cnn.py`)."""

    kind: Literal["cnn"]
    network: Literal[
        "resnet18",
        "resnet50",
        "resnet152",
        "mobilenetv1_100",
        "mobilenetv2_100",
        "mobilenetv3_large_100",
        "densenet121",
        "inception_v3",
    ]
    """timm's name."""
    features: ContrastFeatures | MelFeatures = Field(discriminator="kind")
    dense: tuple[int, ...] = Field(default=(), max_length=2)
    """Widths of fully connected layers with ReLU and dropout before the labels."""
    imagenet_head: bool = False
    """Keep the network's own layer of 1,000 ImageNet classes, and put the labels behind it."""
    dropout: Share
    pretrained: Path | None = None
    """A file of weights for ImageNet."""


class AstSettings(Strict):
    """The Audio Spectrogram Transformer (`ast.py`)."""

    kind: Literal["ast"]
    size: Literal["tiny", "small", "base"]
    stride: Literal[10, 16]
    """Frames and bands from patch to patch of 16 by 16."""
    mean: float
    spread: float = Field(gt=0)
    """Features are (fbank - mean) / (2 * spread); AudioSet's are -4.2677393 and 4.5689974."""
    dropout: Share
    pretrained: Path | None = None
    """A file of weights for AudioSet (AST's own) or ImageNet (DeiT's)."""


class CrnnSettings(Strict):
    """Convolutions and a GRU that say when and how high a species calls (`crnn.py`)."""

    kind: Literal["crnn"]
    width: int = Field(ge=4, le=256)
    """Channels of the first convolutions; later ones have two and four times as many."""
    hidden: int = Field(ge=8, le=512)
    dropout: Share


class YamnetSettings(Strict):
    """MobileNetV1 with what AudioSet taught it (`yamnet.py`)."""

    kind: Literal["yamnet"]
    dropout: Share
    pretrained: Path | None = None
    """Google's yamnet.tflite."""


WindowModelSettings = CnnSettings | AstSettings | CrnnSettings | YamnetSettings
ModelSettings = Annotated[StreamSettings | WindowModelSettings, Field(discriminator="kind")]
