"""Bundles with untrained networks for benchmarks. They are as slow as trained ones; their scores mean nothing."""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch

from anura_edge.inference.bundle import CARD
from anura_edge.inference.manifest import Label, Manifest, Training
from anura_export.bundles.build import write_bundle
from anura_train.models import build_network
from anura_train.models.settings import (
    AstSettings,
    CnnSettings,
    CrnnSettings,
    MeanSubtractedFeatures,
    MelFeatures,
    ModelSettings,
    YamnetSettings,
)

LABELS = 18


RESNET18 = CnnSettings(
    kind="cnn", network="resnet18", features=MeanSubtractedFeatures(kind="mean_subtracted"), dropout=0.0
)

IMAGE = MelFeatures(kind="mel", window_samples=512, hop_samples=128, mels=128, height=224, width=224)
"""Features as an image of the size that image classification networks expect."""


def _cnn(network: str) -> ModelSettings:
    return CnnSettings.model_validate({"kind": "cnn", "network": network, "features": IMAGE, "dropout": 0.0})


def _ast(size: str, stride: int) -> ModelSettings:
    values = {"kind": "ast", "size": size, "stride": stride, "mean": -4.2677393, "std": 4.5689974, "dropout": 0.0}
    return AstSettings.model_validate(values)


NETWORKS: dict[str, ModelSettings] = {
    "resnet18-contrast": RESNET18,
    "resnet18": _cnn("resnet18"),
    "resnet50": _cnn("resnet50"),
    "resnet152": _cnn("resnet152"),
    "mobilenetv1": _cnn("mobilenetv1_100"),
    "mobilenetv2": _cnn("mobilenetv2_100"),
    "mobilenetv3": _cnn("mobilenetv3_large_100"),
    "densenet121": _cnn("densenet121"),
    "inceptionv3": _cnn("inception_v3"),
    "yamnet": YamnetSettings(kind="yamnet", dropout=0.0),
    "crnn": CrnnSettings(kind="crnn", width=32, hidden=128, dropout=0.0),
    **{f"ast-{size}-{stride}": _ast(size, stride) for size in ("tiny", "small", "base") for stride in (16, 10)},
}
"""All window networks that a recipe can select, by the name of their bundle."""


def untrained_window_bundle(out: Path, settings: ModelSettings = RESNET18) -> Path:
    """Write the bundle of a window model; its id is the name of its folder. ModelError when the graph differs."""
    torch.manual_seed(0)
    model = build_network(settings, LABELS).eval()
    draft = Manifest(
        id=out.name,
        version="0.0.0",
        title="An untrained model for speed measurements",
        kind="window",
        labels=tuple(Label(code=f"NONE{n}", scientific_name="nothing", threshold=1.0) for n in range(LABELS)),
        rate_hz=model.rate_hz,
        window_samples=model.window_samples,
        hop_samples=model.hop_samples,
        receptive_field_samples=model.window_samples,
        licence="Apache-2.0",
        training=Training(recipe="none", data=(), seed=0, calibration="none"),
        files={},
    )
    card = "# Untrained\n\nRandom weights, only for measurements of speed and memory. The scores mean nothing.\n"
    with tempfile.NamedTemporaryFile(suffix=".flac") as clip:
        noise = np.random.default_rng(0).normal(0, 0.01, model.window_samples)
        soundfile.write(clip.name, noise, model.rate_hz, subtype="PCM_16")
        write_bundle(model, draft, {CARD: card}, Path(clip.name), out)
    return out
