"""The explorer's analysis equals a scan, and its encoding is complete."""

import json
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from anura_edge.audio import FloatArray
from anura_edge.errors import BusyError, ConfigError, UnreadableError
from anura_edge.explore import analysis
from anura_edge.explore.analysis import MAX_CONCURRENT, MAX_DURATION_S, Explorer, load_explorer
from anura_edge.inference.averaging import average_frames
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.golden import score_all
from anura_edge.inference.loading import load_classifier

RATE_HZ = 8_000


@pytest.fixture
def explorer(bundle: Bundle) -> Explorer:
    return load_explorer(bundle.path, MAX_DURATION_S)


@pytest.fixture
def window_explorer(window_bundle: Bundle) -> Explorer:
    return load_explorer(window_bundle.path, MAX_DURATION_S)


@pytest.fixture
def recording_8k(tmp_path: Path, two_calls: Callable[..., FloatArray]) -> Path:
    """Two calls at the model's own rate."""
    sf.write(tmp_path / "plain.wav", two_calls(), RATE_HZ)
    return tmp_path / "plain.wav"


def test_scores_are_those_of_the_model(explorer: Explorer, bundle: Bundle, recording_8k: Path) -> None:
    result = explorer.analyse(recording_8k, "plain.wav")
    samples, _ = sf.read(recording_8k, dtype="float32")
    expected = average_frames(score_all(bundle, load_classifier(bundle), samples), bundle.manifest.averaged_frames)
    np.testing.assert_allclose(result.arrays["probabilities"], expected, atol=1e-6)
    assert result.arrays["power"].shape == (len(expected),)
    np.testing.assert_allclose(result.arrays["audio"] / 2**15, samples, atol=2e-4)
    assert result.about["samples"] == len(samples)


def test_audio_has_the_length_of_the_recording(explorer: Explorer, recording: Path) -> None:
    result = explorer.analyse(recording, recording.name)
    assert len(result.arrays["audio"]) == math.ceil(result.about["samples"] * RATE_HZ / 22_050)
    assert result.about["start_utc"] == "2026-11-20T19:30:00+00:00"


def test_encoded_analysis_round_trips(explorer: Explorer, recording_8k: Path) -> None:
    result = explorer.analyse(recording_8k, "plain.wav")
    sent = b"".join(result.parts())
    end = 4 + int.from_bytes(sent[:4], "little")
    about = json.loads(sent[4:end])
    for array in about.pop("arrays"):
        assert end % 4 == 0
        count = math.prod(array["shape"])
        found = np.frombuffer(sent, array["type"], count, end).reshape(array["shape"])
        np.testing.assert_array_equal(found, result.arrays[array["name"]])
        end += -(-found.nbytes // 4) * 4
    assert end == len(sent)
    assert about == json.loads(json.dumps(result.about))


def test_window_model_accepts_another_window(window_explorer: Explorer, window_model: Any, recording_8k: Path) -> None:
    samples, _ = sf.read(recording_8k, dtype="float32")
    result = window_explorer.analyse(recording_8k, "plain.wav", window_s=0.5, hop_s=0.25)
    frames = np.lib.stride_tricks.sliding_window_view(samples, RATE_HZ // 2)[:: RATE_HZ // 4]
    power = np.square(frames.astype(float)).sum(axis=1) / RATE_HZ  # the model pads each window with zeros
    expected = power / (power + 0.01)
    np.testing.assert_allclose(result.arrays["probabilities"][: len(frames), 0], expected, atol=1e-5)
    np.testing.assert_allclose(result.arrays["power"][: len(frames)], power * 2, rtol=1e-4)


def test_default_window_and_hop_change_nothing(window_explorer: Explorer, recording_8k: Path) -> None:
    one, other = (
        window_explorer.analyse(recording_8k, "plain.wav"),
        window_explorer.analyse(recording_8k, "plain.wav", window_s=1.0, hop_s=0.5),
    )
    np.testing.assert_array_equal(one.arrays["probabilities"], other.arrays["probabilities"])


@pytest.mark.parametrize(
    ("window_s", "hop_s"), [(1.1, None), (0.1, None), (0.5, 0.6), (None, 0.01), (math.nan, None), (None, math.inf)]
)
def test_invalid_window_or_hop_is_refused(
    window_explorer: Explorer, recording_8k: Path, window_s: Any, hop_s: Any
) -> None:
    with pytest.raises(ConfigError, match="is not between"):
        window_explorer.analyse(recording_8k, "plain.wav", window_s, hop_s)


def test_stream_model_refuses_a_hop(stream_bundle: Bundle, recording_8k: Path) -> None:
    explorer = load_explorer(stream_bundle.path, MAX_DURATION_S)
    with pytest.raises(ConfigError, match="fixed hop"):
        explorer.analyse(recording_8k, "plain.wav", hop_s=0.5)


def test_too_long_recording_is_refused(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "CHUNK_S", 1.0)
    explorer = load_explorer(bundle.path, max_duration_s=5)
    for name in ("long.wav", "long.mp3"):
        sf.write(tmp_path / name, np.random.default_rng(0).normal(0, 0.1, 90 * RATE_HZ).clip(-1, 1), RATE_HZ)
        with pytest.raises(UnreadableError, match="cut it"):
            explorer.analyse(tmp_path / name, name)


def test_slow_analysis_is_stopped(explorer: Explorer, recording_8k: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "TIMEOUT_S", -1.0)
    with pytest.raises(UnreadableError, match="not done in"):
        explorer.analyse(recording_8k, "plain.wav")


def test_truncated_recording_is_analysed_up_to_its_end(explorer: Explorer, recording_8k: Path) -> None:
    recording_8k.write_bytes(recording_8k.read_bytes()[:-80_000])
    result = explorer.analyse(recording_8k, "plain.wav")
    assert result.about["samples"] == 40_000
    assert result.about["warnings"] == ["the recording breaks off before its end"]


def test_error_names_the_recording_and_no_path(explorer: Explorer, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"no sound at all" * 500)
    with pytest.raises(UnreadableError) as raised:
        explorer.analyse(tmp_path / "x.wav", "mine.wav")
    assert "mine.wav" in str(raised.value)
    assert str(tmp_path) not in str(raised.value)


def test_slots_are_limited(explorer: Explorer) -> None:
    entered, leave = [threading.Event() for _ in range(MAX_CONCURRENT)], threading.Event()

    def occupy(event: threading.Event) -> None:
        with explorer.slot():
            event.set()
            leave.wait()

    threads = [threading.Thread(target=occupy, args=[event]) for event in entered]
    for thread, event in zip(threads, entered, strict=True):
        thread.start()
        event.wait()
    with pytest.raises(BusyError, match="try again"), explorer.slot():
        pass
    leave.set()
    for thread in threads:
        thread.join()
    with explorer.slot():
        pass
