"""A ResNet18 that has learnt nothing, for benchmarks: as slow as a trained one, and its scores mean nothing."""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch

from anura_edge.bundle import Label, Manifest, Training
from anura_export.bundle import publish
from anura_train.models.resnet import WindowNet

LABELS = 18


def untrained_window_bundle(out: Path) -> Path:
    """Write the bundle and return its folder."""
    torch.manual_seed(0)
    model = WindowNet(LABELS, dropout=0.0).eval()
    draft = Manifest(
        id="resnet18-untrained",
        version="0.0.0",
        title="An untrained ResNet18, to measure speed with",
        kind="window",
        labels=tuple(Label(code=f"NONE{n}", scientific_name="nothing", threshold=1.0) for n in range(LABELS)),
        rate_hz=model.rate_hz,
        window_samples=model.span_samples,
        hop_samples=model.step_samples,
        receptive_field_samples=model.span_samples,
        licence="Apache-2.0",
        training=Training(recipe="none", data=(), seed=0, calibration="none"),
        files={},
    )
    card = "# Untrained\n\nRandom weights: for measuring speed and memory alone. Its scores mean nothing.\n"
    with tempfile.NamedTemporaryFile(suffix=".flac") as clip:
        noise = np.random.default_rng(0).normal(0, 0.01, model.span_samples)
        soundfile.write(clip.name, noise, model.rate_hz, subtype="PCM_16")
        publish(model, draft, card, Path(clip.name), out)
    return out
