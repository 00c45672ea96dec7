"""What is heard for a page is what a scan hears, and it is given back whole."""

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
from anura_edge.config.device import Config, Model
from anura_edge.errors import BusyError, ConfigError, UnreadableError
from anura_edge.explore import hearing
from anura_edge.explore.hearing import PLACES, Explorer
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.classifier import load_classifier, score_all

RATE_HZ = 8_000


@pytest.fixture
def explorer(bundle: Bundle) -> Explorer:
    return Explorer(Config(model=Model(bundle=bundle.path)))


@pytest.fixture
def windows(window_bundle: Bundle) -> Explorer:
    return Explorer(Config(model=Model(bundle=window_bundle.path)))


@pytest.fixture
def plain(tmp_path: Path, two_calls: Callable[..., FloatArray]) -> Path:
    """Two calls at the model's own rate."""
    sf.write(tmp_path / "plain.wav", two_calls(), RATE_HZ)
    return tmp_path / "plain.wav"


def test_the_curves_are_the_models(explorer: Explorer, bundle: Bundle, plain: Path) -> None:
    heard = explorer.hear(plain, "plain.wav")
    samples, _ = sf.read(plain, dtype="float32")
    expected = score_all(bundle, load_classifier(bundle), samples)
    np.testing.assert_allclose(heard.arrays["probabilities"], expected, atol=1e-6)
    assert heard.arrays["power"].shape == (len(expected),)
    np.testing.assert_allclose(heard.arrays["audio"] / 2**15, samples, atol=2e-4)
    assert heard.about["samples"] == len(samples)


def test_the_sound_is_as_long_as_the_recording_at_the_models_rate(explorer: Explorer, recording: Path) -> None:
    heard = explorer.hear(recording, recording.name)
    assert len(heard.arrays["audio"]) == math.ceil(heard.about["samples"] * RATE_HZ / 22_050)
    assert heard.about["start_utc"] == "2026-11-20T19:30:00+00:00"


def test_what_is_sent_can_be_read_back(explorer: Explorer, plain: Path) -> None:
    heard = explorer.hear(plain, "plain.wav")
    sent = b"".join(heard.parts())
    end = 4 + int.from_bytes(sent[:4], "little")
    about = json.loads(sent[4:end])
    for array in about.pop("arrays"):
        assert end % 4 == 0
        count = math.prod(array["shape"])
        found = np.frombuffer(sent, array["type"], count, end).reshape(array["shape"])
        np.testing.assert_array_equal(found, heard.arrays[array["name"]])
        end += -(-found.nbytes // 4) * 4
    assert end == len(sent)
    assert about == json.loads(json.dumps(heard.about))


def test_a_window_model_may_look_through_other_windows(windows: Explorer, window_model: Any, plain: Path) -> None:
    samples, _ = sf.read(plain, dtype="float32")
    heard = windows.hear(plain, "plain.wav", window_s=0.5, hop_s=0.25)
    rows = np.lib.stride_tricks.sliding_window_view(samples, RATE_HZ // 2)[:: RATE_HZ // 4]
    power = np.square(rows.astype(float)).sum(axis=1) / RATE_HZ  # what is put after each window is silent
    expected = power / (power + 0.01)
    np.testing.assert_allclose(heard.arrays["probabilities"][: len(rows), 0], expected, atol=1e-5)
    np.testing.assert_allclose(heard.arrays["power"][: len(rows)], power * 2, rtol=1e-4)


def test_its_own_window_and_hop_give_what_it_gives_without(windows: Explorer, plain: Path) -> None:
    one, other = windows.hear(plain, "plain.wav"), windows.hear(plain, "plain.wav", window_s=1.0, hop_s=0.5)
    np.testing.assert_array_equal(one.arrays["probabilities"], other.arrays["probabilities"])


@pytest.mark.parametrize(
    ("window_s", "hop_s"), [(1.1, None), (0.1, None), (0.5, 0.6), (None, 0.01), (math.nan, None), (None, math.inf)]
)
def test_a_window_that_is_none_is_refused(windows: Explorer, plain: Path, window_s: Any, hop_s: Any) -> None:
    with pytest.raises(ConfigError, match="is not between"):
        windows.hear(plain, "plain.wav", window_s, hop_s)


def test_a_stream_models_steps_are_its_own(stream_bundle: Bundle, plain: Path) -> None:
    explorer = Explorer(Config(model=Model(bundle=stream_bundle.path)))
    with pytest.raises(ConfigError, match="its own"):
        explorer.hear(plain, "plain.wav", hop_s=0.5)


def test_a_recording_that_is_too_long_is_refused_before_and_while_it_is_heard(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "CHUNK_S", 1.0)
    explorer = Explorer(Config(model=Model(bundle=bundle.path)), longest_s=5)
    for name in ("long.wav", "long.mp3"):
        sf.write(tmp_path / name, np.random.default_rng(0).normal(0, 0.1, 90 * RATE_HZ).clip(-1, 1), RATE_HZ)
        with pytest.raises(UnreadableError, match="cut it"):
            explorer.hear(tmp_path / name, name)


def test_a_recording_that_takes_too_long_is_given_up(
    explorer: Explorer, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "PATIENCE_S", -1.0)
    with pytest.raises(UnreadableError, match="not done in"):
        explorer.hear(plain, "plain.wav")


def test_a_recording_that_breaks_off_is_shown_as_far_as_it_goes(explorer: Explorer, plain: Path) -> None:
    plain.write_bytes(plain.read_bytes()[:-80_000])
    heard = explorer.hear(plain, "plain.wav")
    assert heard.about["samples"] == 40_000
    assert heard.about["warnings"] == ["it breaks off before its end"]


def test_a_mistake_is_told_by_the_name_that_people_know(explorer: Explorer, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"no sound at all" * 500)
    with pytest.raises(UnreadableError) as told:
        explorer.hear(tmp_path / "x.wav", "mine.wav")
    assert "mine.wav" in str(told.value)
    assert str(tmp_path) not in str(told.value)


def test_only_some_have_a_place(explorer: Explorer) -> None:
    taken, leave = [threading.Event() for _ in range(PLACES)], threading.Event()

    def stay(event: threading.Event) -> None:
        with explorer.place():
            event.set()
            leave.wait()

    threads = [threading.Thread(target=stay, args=[event]) for event in taken]
    for thread, event in zip(threads, taken, strict=True):
        thread.start()
        event.wait()
    with pytest.raises(BusyError, match="try again"), explorer.place():
        pass
    leave.set()
    for thread in threads:
        thread.join()
    with explorer.place():
        pass
