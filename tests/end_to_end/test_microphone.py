"""A frog calls into a real (virtual) microphone, and the device says so."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from support import eventually, need

from anura_edge.demo.card import CLIPS

HEARD_WITHIN_S = 5.0


@pytest.fixture
def frog(tmp_path: Path) -> Path:
    """A southern leopard frog for a few seconds, and then nothing."""
    call, rate_hz = sf.read(CLIPS / "LITSPH_g042.ogg", dtype="float32")
    path = tmp_path / "frog.wav"
    sf.write(path, np.concatenate([call[: 5 * rate_hz] / 4, np.zeros(rate_hz, np.float32)]), rate_hz)
    return path


def test_the_microphone_hears_the_frog_that_calls(
    microphone: dict[str, str], start_device: Callable[..., Any], frog: Path
) -> None:
    device = start_device("--source", "mic", environment=microphone, AUDIO__MICROPHONE="pulse")
    eventually(lambda: "listening" in "".join(device.said))
    subprocess.run([need("paplay"), str(frog)], env={**os.environ, **microphone}, check=True)
    eventually(lambda: any(event["label"] == "LITSPH" for event in device.events), HEARD_WITHIN_S)
    assert device.stop() == 0
    event = next(event for event in device.events if event["label"] == "LITSPH")
    assert event["clock_source"] == "system"
    assert event["recording_name"] == "pulse"
    assert device.summary["seconds"]["analysed"] >= 6


def test_silence_is_listened_to_and_counted_as_effort(
    microphone: dict[str, str], start_device: Callable[..., Any]
) -> None:
    device = start_device("--source", "mic", environment=microphone, AUDIO__MICROPHONE="pulse")
    eventually(lambda: "listening" in "".join(device.said))
    assert device.stop() == 0
    assert not device.events
    assert device.summary["seconds"]["analysed"] > 0


def test_a_microphone_that_is_not_there_is_named_together_with_those_that_are(
    microphone: dict[str, str], start_device: Callable[..., Any]
) -> None:
    device = start_device("--source", "mic", environment=microphone, AUDIO__MICROPHONE="hydrophone")
    assert device.process.wait() == 4
    message = eventually(lambda: "".join(device.said))
    assert "no microphone 'hydrophone'" in message
    assert "'pulse'" in message
    assert "Traceback" not in message


def test_a_clip_of_the_frog_is_saved_where_that_is_asked_for(
    microphone: dict[str, str], start_device: Callable[..., Any], frog: Path, tmp_path: Path
) -> None:
    device = start_device(
        "--source",
        "mic",
        environment=microphone,
        AUDIO__MICROPHONE="pulse",
        CLIPS__ENABLED="true",
        CLIPS__AFTER_S="0.5",
    )
    eventually(lambda: "listening" in "".join(device.said))
    subprocess.run([need("paplay"), str(frog)], env={**os.environ, **microphone}, check=True)
    (path,) = eventually(lambda: [*(tmp_path / "device" / "clips").glob("*LITSPH*.flac")])
    assert device.stop() == 0
    samples, rate_hz = sf.read(path)
    assert 1 < len(samples) / rate_hz <= 15
    assert np.abs(samples).max() > 0.01
