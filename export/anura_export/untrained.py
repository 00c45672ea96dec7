"""Models that have learnt nothing, for benchmarks: as slow as trained ones, and their scores mean nothing."""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch

from anura_edge.bundle import Label, Manifest, Training
from anura_export.bundle import publish
from anura_train.models import build
from anura_train.models.settings import CnnSettings, ContrastFeatures, ModelSettings

LABELS = 18


RESNET18 = CnnSettings(kind="cnn", network="resnet18", features=ContrastFeatures(kind="contrast"), dropout=0.0)


def untrained_window_bundle(out: Path, settings: ModelSettings = RESNET18) -> Path:
    """Write a window model's bundle, named like its folder; ModelError when its graph is not the model."""
    torch.manual_seed(0)
    model = build(settings, LABELS).eval()
    draft = Manifest(
        id=out.name,
        version="0.0.0",
        title="An untrained model, to measure speed with",
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
