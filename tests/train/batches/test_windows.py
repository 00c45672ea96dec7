"""Windows have the right labels, order and augmentation."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.errors import SourceError
from anura_train.batches.audio_cache import AudioCache
from anura_train.batches.windows import WindowExamples, cut_windows, time_stretch
from anura_train.data import Corpus, Recording, StrongLabel, WeakLabel
from anura_train.data.box_grid import BoxGrid
from anura_train.models import crnn_cell_edges
from anura_train.recipe import WindowSettings

RATE_HZ = 8_000
LABELS = ("AAA", "BBB")


@pytest.fixture
def recordings(tmp_path: Path) -> list[Recording]:
    """A recording of 6 s with a box at 4 s and a weak label; a recording of 1 s without a frog at another site."""
    time_s = np.arange(6 * RATE_HZ) / RATE_HZ
    soundfile.write(tmp_path / "long.wav", np.linspace(-0.5, 0.5, len(time_s)), RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "short.wav", np.full(RATE_HZ, 0.25), RATE_HZ, subtype="FLOAT")
    box = StrongLabel("AAA", 4.0, 4.5, 1_000, 2_000)
    return [
        Recording(tmp_path / "long.wav", "long", "g0", weak=(WeakLabel("BBB"),), strong=(box,), site="pond"),
        Recording(tmp_path / "short.wav", "short", "g1", site="wood"),
    ]


def windows(recordings: list[Recording], settings: dict[str, Any], rate_hz: int = RATE_HZ) -> WindowExamples:
    parsed = WindowSettings.model_validate(settings)
    return WindowExamples(cut_windows(recordings, parsed), LABELS, parsed, AudioCache(rate_hz), seed=0)


def test_windows_start_each_second_and_at_least_one_exists(recordings: list[Recording]) -> None:
    found = [(each.recording.name, each.start_s) for each in cut_windows(recordings, WindowSettings())]
    assert found == [("long", 0), ("long", 1), ("long", 2), ("long", 3), ("short", 0)]


@pytest.mark.parametrize(("overlap", "boxed"), [(0.0, [2, 3]), (0.4, [2, 3]), (0.5, [])])
def test_window_codes_follow_boxes_or_weak_labels(
    recordings: list[Recording], overlap: float, boxed: list[int]
) -> None:
    found = cut_windows(recordings[:1], WindowSettings(min_overlap_s=overlap))
    assert [number for number, each in enumerate(found) if "AAA" in each.codes] == boxed
    assert all("BBB" in each.codes for each in found)


def test_window_is_an_excerpt_padded_with_silence(recordings: list[Recording]) -> None:
    made = windows(recordings, {})
    whole, _ = soundfile.read(recordings[0].path, dtype="float32")
    assert np.array_equal(made.unaugmented(2)[0], whole[2 * RATE_HZ : 5 * RATE_HZ])
    short = made.unaugmented(4)[0]
    assert short[:RATE_HZ].all()
    assert not short[RATE_HZ:].any()


@given(st.integers(1, 12))
def test_each_window_is_used_once_an_epoch(size: int) -> None:
    recordings = [Recording(Path("none"), str(number), "g", codes) for number, codes in enumerate([()] * 6)]
    made = WindowExamples([window(each) for each in recordings], LABELS, WindowSettings(), AudioCache(RATE_HZ), seed=0)
    turns = np.concatenate([made._shuffled(step, size) for step in range(1, 25)])
    for epoch in range(len(turns) // 6):
        assert sorted(turns[6 * epoch : 6 * epoch + 6]) == list(range(6))


def window(recording: Recording) -> Any:
    from anura_train.batches.windows import Window

    return Window(recording, 0.0, recording.codes)


def test_balanced_windows_have_equal_label_frequencies(corpus: Corpus) -> None:
    settings = WindowSettings(balanced=True)
    recordings = corpus.frogs[:5] + corpus.backgrounds * 3  # the names repeat, which does not matter here
    made = WindowExamples(cut_windows(recordings, settings), ("AAA", "BBB"), settings, AudioCache(RATE_HZ), seed=0)
    targets = np.concatenate([made.batch(step, 20).targets for step in range(1, 16)])
    drawn = Counter(map(tuple, targets.tolist()))
    assert set(drawn) == {(1, 0), (0, 1), (0, 0)}
    assert min(drawn.values()) > 60


def test_overlay_adds_species_of_another_site(recordings: list[Recording]) -> None:
    frog = replace(recordings[1], weak=(WeakLabel("AAA"),))
    made = windows([replace(recordings[0], strong=()), frog], {"overlay_share": 1.0, "overlay_snr_db": [0, 0]})
    batch = made.batch(1, 5)
    assert batch.targets.all()


def test_mixup_weights_audio_and_labels_equally(recordings: list[Recording]) -> None:
    loud = [replace(recordings[1], strong=()), replace(recordings[1], name="b", weak=(WeakLabel("AAA"),))]
    soundfile.write(loud[0].path, np.zeros(3 * RATE_HZ), RATE_HZ)
    other = loud[0].path.with_name("other.wav")
    soundfile.write(other, np.full(3 * RATE_HZ, 0.5), RATE_HZ, subtype="FLOAT")
    made = windows([loud[0], replace(loud[1], path=other)], {"mixup_share": 1.0, "mixup_alpha": 0.5})
    batch = made.batch(1, 40)
    assert np.allclose(batch.waveforms[:, 100], 0.5 * batch.targets[:, 0], atol=1e-6)
    assert len(np.unique(batch.targets[:, 0])) > 3


def test_gain_changes_only_the_level(recordings: list[Recording]) -> None:
    made = windows(recordings[1:], {"gain_db": [-6.0206, -6.0206]})
    assert np.allclose(made.batch(1, 1).waveforms[0], made.unaugmented(0)[0] / 2, atol=1e-5)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_time_stretch_keeps_length_and_pitch(factor: float) -> None:
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    beep = np.sin(2 * np.pi * 1_000 * time_s) * (time_s < 1)
    changed = time_stretch(beep.astype(np.float32), factor)
    assert changed.shape == beep.shape
    assert np.abs(np.fft.rfft(changed)).argmax() / 3 == pytest.approx(1_000, abs=5)
    ends_s = np.flatnonzero(np.abs(changed) > 0.1).max() / RATE_HZ
    assert ends_s == pytest.approx(1 / factor, abs=0.1)


def test_cells_follow_boxes_and_are_nan_without(recordings: list[Recording]) -> None:
    grid = BoxGrid(*crnn_cell_edges())
    weak = replace(recordings[0], name="weak", strong=())
    made = WindowExamples(
        cut_windows([*recordings, weak], WindowSettings()),
        LABELS,
        WindowSettings(),
        AudioCache(22_050),
        seed=0,
        grid=grid,
    )
    (found,) = grid.boxes(made.unaugmented(3)[2], LABELS, 0.5)
    assert (found.code, found.onset_s) == ("AAA", pytest.approx(1.0, abs=0.1))
    assert not made.unaugmented(0)[2].any()
    assert not made.unaugmented(4)[2].any()  # a background has no call anywhere
    assert np.isnan(made.unaugmented(5)[2]).all()


def test_audio_cache_stores_what_fits(recordings: list[Recording]) -> None:
    cache = AudioCache(RATE_HZ, free_samples=2 * RATE_HZ)
    for _ in range(2):
        assert len(cache[recordings[0]]) == 6 * RATE_HZ
        assert len(cache[recordings[1]]) == RATE_HZ
    assert set(cache.stored) == {"short"}


def test_file_without_audio_is_named(recordings: list[Recording]) -> None:
    recordings[0].path.write_bytes(b"nothing")
    with pytest.raises(SourceError, match=r"long\.wav"):
        cut_windows(recordings, WindowSettings())
