"""The networks, and how a recipe selects one.

Networks that use timm are imported when a recipe selects them: timm takes two seconds to load, which each process that
computes embeddings would pay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from anura_train.models.birdnet.frontend import RATE_HZ as BIRDNET_RATE_HZ
from anura_train.models.birdnet.frontend import BirdnetFrontEnd
from anura_train.models.birdnet.small import SMALL_HOP_S, BirdnetStem, SmallBirdnet
from anura_train.models.birdnet.transfer import BirdnetTransfer
from anura_train.models.crnn import MELS as CRNN_MELS
from anura_train.models.crnn import CellEdges, Crnn, cell_edges
from anura_train.models.frontend import Fbank, MelSpectrogramDb, WindowLogMel
from anura_train.models.settings import (
    RATE_HZ,
    AstSettings,
    BirdnetSettings,
    CrnnSettings,
    ModelSettings,
    SmallBirdnetSettings,
    StreamSettings,
    WindowModelSettings,
    YamnetSettings,
)
from anura_train.models.stream import StreamNet
from anura_train.models.window import HOP_S, WINDOW_S, WindowNet
from anura_train.models.yamnet import Yamnet, YamnetMel

if TYPE_CHECKING:
    from anura_train.models.ast_net import AstNet
    from anura_train.models.cnn import Cnn

Net = StreamNet | WindowNet
"""Both have `frame_logits` (features to logits of each frame), `predict` (a recording to calibrated logits of frames,
with `hop_samples` and `window_samples`) and `calibration`, the last layer."""

FEATURE_HOP_SAMPLES, FEATURE_WINDOW_SAMPLES, MELS = 441, 882, 64
"""150 frames of 64 bands, a quarter of the usual image size, so that two CPU cores can train it."""

CRNN_HOP_SAMPLES, CRNN_WINDOW_SAMPLES = 245, 980
"""270 frames of 11 ms; a cell is 89 ms long."""

AST_MELS, AST_FRAMES = 128, 298


def build_network(settings: ModelSettings, labels: int) -> Net:
    """Return the untrained network of a recipe."""
    if isinstance(settings, StreamSettings):
        return StreamNet(labels, settings.width, settings.hidden, settings.dropout)
    with torch.device("cpu"):
        # These buffers need real values even if the network is built on torch's "meta" device.
        front_end = _front_end(settings)
    averaged = settings.averaged_frames if isinstance(settings, BirdnetSettings) else 1
    hop_s = SMALL_HOP_S if isinstance(settings, SmallBirdnetSettings) else HOP_S
    return WindowNet(front_end, _body(settings, labels), sampling_rate_hz(settings), averaged, hop_s)


def sampling_rate_hz(settings: ModelSettings) -> int:
    """Return the sampling rate in Hz of a network's input."""
    if isinstance(settings, BirdnetSettings | SmallBirdnetSettings):
        return BIRDNET_RATE_HZ
    return Fbank.RATE_HZ if isinstance(settings, AstSettings) else RATE_HZ


def crnn_cell_edges() -> CellEdges:
    """Return the edges of the cells in a Crnn's window."""
    return cell_edges(WINDOW_S * RATE_HZ // CRNN_HOP_SAMPLES, CRNN_HOP_SAMPLES / RATE_HZ)


def load_pretrained(model: Net, settings: ModelSettings) -> None:
    """Load the published weights that a recipe names, if any; ModelError if they do not fit."""
    if isinstance(settings, StreamSettings | CrnnSettings | SmallBirdnetSettings | BirdnetSettings):
        return
    if settings.pretrained and isinstance(model, WindowNet):
        cast("AstNet | Cnn | Yamnet", model.body).load_pretrained(settings.pretrained)


def _front_end(settings: WindowModelSettings) -> nn.Module:
    if isinstance(settings, AstSettings):
        return Fbank(AST_MELS, settings.mean, settings.std)
    if isinstance(settings, CrnnSettings):
        return WindowLogMel(RATE_HZ, CRNN_HOP_SAMPLES, CRNN_WINDOW_SAMPLES, CRNN_MELS)
    if isinstance(settings, YamnetSettings):
        return YamnetMel(RATE_HZ)
    if isinstance(settings, BirdnetSettings):
        return BirdnetFrontEnd()
    if isinstance(settings, SmallBirdnetSettings):
        return BirdnetStem()
    features = settings.features
    if features.kind == "mean_subtracted":
        return WindowLogMel(RATE_HZ, FEATURE_HOP_SAMPLES, FEATURE_WINDOW_SAMPLES, MELS)
    return MelSpectrogramDb(
        features.window_samples,
        features.hop_samples,
        features.mels,
        features.bank_rate_hz,
        features.mean_db,
        features.std_db,
    )


def _body(settings: WindowModelSettings, labels: int) -> Cnn | AstNet | Crnn | Yamnet | BirdnetTransfer | SmallBirdnet:
    if isinstance(settings, BirdnetSettings):
        return BirdnetTransfer(labels, settings.dropped_blocks)
    if isinstance(settings, SmallBirdnetSettings):
        return SmallBirdnet(labels, settings.channels, settings.dropout)
    if isinstance(settings, AstSettings):
        from anura_train.models.ast_net import AstNet

        return AstNet(labels, AST_FRAMES, AST_MELS, settings.size, settings.stride, settings.dropout)
    if isinstance(settings, CrnnSettings):
        return Crnn(labels, settings.width, settings.hidden, settings.dropout)
    if isinstance(settings, YamnetSettings):
        return Yamnet(labels, settings.dropout)
    from anura_train.models.cnn import Cnn

    return Cnn(settings, labels)
