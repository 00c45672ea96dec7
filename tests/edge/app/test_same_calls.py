"""A microphone's calls are those of a card that holds the same audio, however much the model is given at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Stop

import numpy as np
import pytest
import soundfile as sf
import soxr

from anura_edge.app.device import DeviceRuntime
from anura_edge.audio import FloatArray
from anura_edge.config.analysis import AudioSettings, DetectionSettings, ModelSettings
from anura_edge.config.device import Config
from anura_edge.inference.bundle import GOLDEN_CLIP, SHIPPED_BUNDLES, Bundle
from anura_edge.sources.files.scan import scan
from anura_edge.testing import BLOCK_S, SimulatedClock, SimulatedMicrophone
from anura_edge.wire import EventRow

START_UTC_S = 1_795_000_000.0
LIVE_HZ = 24_000
"""Of the microphone: it is resampled for the model."""


@dataclass(frozen=True)
class CallValues:
    """The values of a call, without its id."""

    label: str
    onset_sample: int
    offset_sample: int
    p_peak: float
    p_mean: float
    level_dbfs: float


def sorted_calls(rows: list[EventRow]) -> list[CallValues]:
    """Return the calls in a fixed order: calls that end at one moment are in any order."""
    calls = [CallValues(**{name: getattr(row, name) for name in CallValues.__annotations__}) for row in rows]
    return sorted(calls, key=lambda call: (call.onset_sample, call.label))


def of_microphone(config: Config, sound: FloatArray) -> list[EventRow]:
    """Analyse mono audio from a simulated microphone, in blocks of a tenth of a second."""
    rows: list[EventRow] = []
    stop, clock = Stop(), SimulatedClock(START_UTC_S)
    device = SimulatedMicrophone(
        clock,
        clock.monotonic_s + len(sound) / LIVE_HZ - 1.5 * BLOCK_S,  # after the stop the last block is analysed
        stop,
        lambda first, count: sound[first : first + count],
        rate_hz=LIVE_HZ,
    )
    with DeviceRuntime(config, rows.append, stop) as runtime:
        runtime.run_microphone(device.open, clock)
    assert device.delivered == len(sound)
    return rows


def of_card(config: Config, sound: FloatArray) -> list[EventRow]:
    """Hear the same samples from a file."""
    card = config.state_dir.parent / "card"
    card.mkdir()
    sf.write(card / "A_20261120_193000.wav", sound, LIVE_HZ, subtype="FLOAT")
    rows: list[EventRow] = []
    with DeviceRuntime(config, rows.append, Stop()) as runtime:
        runtime.scan_files(scan(card))
    return rows


@pytest.mark.parametrize("block_s", [0.02, 0.1, 0.25, 1.0, 3.7])
def test_microphone_and_card_have_the_same_calls(
    tmp_path: Path, bundle: Bundle, two_calls: Callable[..., FloatArray], block_s: float
) -> None:
    sound = np.concatenate([two_calls(LIVE_HZ)[:, 0]] * 2)
    settings = Config(model=ModelSettings(bundle=bundle.path), audio=AudioSettings(block_s=block_s))
    assert len(compared_calls(tmp_path, settings, sound)) >= 2


@pytest.mark.parametrize("name", SHIPPED_BUNDLES)
def test_microphone_and_card_have_the_same_calls_with_each_shipped_model(tmp_path: Path, name: str) -> None:
    clip, rate_hz = sf.read(SHIPPED_BUNDLES[name] / GOLDEN_CLIP, dtype="float32")
    frog = soxr.resample(clip, rate_hz, LIVE_HZ)
    settings = Config(model=ModelSettings(bundle=Path(name)), detect=DetectionSettings(threshold=0.05))
    assert compared_calls(tmp_path, settings, np.concatenate([frog, 0 * frog, 0 * frog, frog, frog[: LIVE_HZ // 2]]))


def compared_calls(folder: Path, settings: Config, sound: FloatArray) -> list[EventRow]:
    """Return the calls of a microphone, after a comparison with those of a card."""
    live = of_microphone(settings.model_copy(update={"state_dir": folder / "live"}), sound)
    read = of_card(settings.model_copy(update={"state_dir": folder / "read"}), sound)
    for found, expected in zip(sorted_calls(live), sorted_calls(read), strict=True):
        assert (found.label, found.onset_sample) == (expected.label, expected.onset_sample)
        assert found.offset_sample == expected.offset_sample
        for number in ("p_peak", "p_mean", "level_dbfs"):
            assert getattr(found, number) == pytest.approx(getattr(expected, number), abs=1e-4)
    assert not {row.id for row in live} & {row.id for row in read}, "two recordings"
    return live
