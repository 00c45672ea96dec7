"""A frog calls into a real (virtual) microphone, and the device says so."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from support import eventually

from anura_edge.demo.card import CLIPS
from anura_edge.monotonic import monotonic_s
from anura_edge.sources import capture_process
from anura_edge.sources.capture_process import CaptureProcess

HEARD_WITHIN_S = 5.0


@pytest.fixture
def frog(tmp_path: Path) -> Path:
    """A southern leopard frog for a few seconds, and then nothing."""
    call, rate_hz = sf.read(CLIPS / "LITSPH_g042.ogg", dtype="float32")
    path = tmp_path / "frog.wav"
    sf.write(path, np.concatenate([call[: 5 * rate_hz] / 4, np.zeros(rate_hz, np.float32)]), rate_hz)
    return path


def test_the_microphone_hears_the_frog_that_calls(pulse: Any, start_device: Callable[..., Any], frog: Path) -> None:
    pulse.start()
    device = start_device("--source", "mic", environment=pulse.environment, AUDIO__MICROPHONE="pulse")
    eventually(lambda: "listening" in "".join(device.said))
    pulse.play(frog)
    eventually(lambda: any(event["label"] == "LITSPH" for event in device.events), HEARD_WITHIN_S)
    assert device.stop() == 0
    event = next(event for event in device.events if event["label"] == "LITSPH")
    assert event["clock_source"] == "system"
    assert event["recording_name"] == "pulse"
    assert sum(device.summary["seconds"].values()) >= 6


def test_silence_is_listened_to_and_counted_as_effort(
    microphone: dict[str, str], start_device: Callable[..., Any]
) -> None:
    device = start_device("--source", "mic", environment=microphone, AUDIO__MICROPHONE="pulse")
    eventually(lambda: "listening" in "".join(device.said))
    assert device.stop() == 0
    assert not device.events
    assert sum(device.summary["seconds"].values()) > 0


def notices(folder: Path) -> list[tuple[str, float | None]]:
    with closing(sqlite3.connect(folder / "device" / "journal.db")) as journal:
        return list(journal.execute("SELECT what, amount FROM notice JOIN outbox USING (id) ORDER BY seq"))


def test_a_sound_server_that_is_killed_and_comes_back_leaves_a_gap_and_frogs_are_heard_again(
    pulse: Any, start_device: Callable[..., Any], frog: Path, tmp_path: Path
) -> None:
    pulse.start()
    device = start_device("--source", "mic", environment=pulse.environment, AUDIO__MICROPHONE="pulse")
    eventually(lambda: "listening" in "".join(device.said))
    pulse.play(frog)
    eventually(lambda: device.events)
    before = len(device.events)
    pulse.kill()
    eventually(lambda: ("microphone_lost", None) in notices(tmp_path))
    pulse.start()
    back = eventually(lambda: [amount for what, amount in notices(tmp_path) if what == "microphone_back"])
    pulse.play(frog)
    eventually(lambda: len(device.events) > before)
    assert device.stop() == 0
    assert len({event["recording"] for event in device.events}) == 1, "it is one recording with a gap"
    assert device.events[-1]["onset_sample"] > device.events[0]["offset_sample"]
    assert device.summary["seconds"]["dropped"] == pytest.approx(back[0], abs=1.0)


def test_a_microphone_that_is_not_there_yet_is_named_with_those_that_are_and_waited_for(
    pulse: Any, start_device: Callable[..., Any], frog: Path, tmp_path: Path
) -> None:
    device = start_device("--source", "mic", environment=pulse.environment, AUDIO__MICROPHONE="pulse")
    eventually(lambda: "away" in "".join(device.said))
    pulse.start()
    eventually(lambda: "listening" in "".join(device.said))
    pulse.play(frog)
    eventually(lambda: device.events)
    assert device.stop() == 0
    assert device.summary["seconds"]["dropped"] > 0
    assert [what for what, _ in notices(tmp_path)] == ["microphone_lost", "microphone_back"]
    assert "Traceback" not in "".join(device.said)


def test_a_microphone_of_a_wrong_name_is_told_together_with_those_that_there_are(
    microphone: dict[str, str], start_device: Callable[..., Any]
) -> None:
    device = start_device("--source", "mic", environment=microphone, AUDIO__MICROPHONE="hydrophone")
    message = eventually(lambda: "".join(device.said))
    assert "no microphone 'hydrophone'" in message
    assert "'pulse'" in message
    assert device.stop() == 0


def test_a_model_that_is_too_slow_loses_the_oldest_audio_and_the_next_block_shows_how_much(
    pulse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulse.start()
    for name, value in pulse.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(capture_process, "BACKLOG_S", 0.5)
    capture = CaptureProcess("pulse", 48_000, 0, Event())
    first = eventually(lambda: capture.read(1))
    eventually(lambda: monotonic_s() > first.arrived_s + 3)  # while the model is busy
    second, third = capture.read(1), capture.read(1)
    capture.close()
    assert second
    assert third
    assert second.first_sample > first.first_sample + 48_000
    assert third.first_sample == second.first_sample + len(second.samples)


def test_a_clip_of_the_frog_is_saved_where_that_is_asked_for(
    pulse: Any, start_device: Callable[..., Any], frog: Path, tmp_path: Path
) -> None:
    pulse.start()
    device = start_device(
        "--source",
        "mic",
        environment=pulse.environment,
        AUDIO__MICROPHONE="pulse",
        CLIPS__ENABLED="true",
        CLIPS__AFTER_S="0.5",
    )
    eventually(lambda: "listening" in "".join(device.said))
    pulse.play(frog)
    (path,) = eventually(lambda: [*(tmp_path / "device" / "clips").glob("*LITSPH*.flac")])
    assert device.stop() == 0
    samples, rate_hz = sf.read(path)
    assert 1 < len(samples) / rate_hz <= 15
    assert np.abs(samples).max() > 0.01
