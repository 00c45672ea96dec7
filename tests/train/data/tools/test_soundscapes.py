"""Soundscapes match their labels in time and level, and depend only on the seed."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anura_edge.errors import ConfigError
from anura_train.data import Corpus, Findings, Recording, StrongLabel, load_audio, read_corpus
from anura_train.data.audio import FILE_RATE_HZ as RATE_HZ
from anura_train.data.folds import check_disjoint
from anura_train.data.overlay import rms
from anura_train.data.readers.selection_tables import read_audacity_folder, read_raven_folder
from anura_train.data.tools.check import check_corpus
from anura_train.data.tools.soundscapes import PlacedCall, SoundscapeSettings, mix_soundscape, write_soundscapes

Reader = Callable[[Path, Findings], Corpus]

SETTINGS = SoundscapeSettings(count=6, duration_s=5, calls=(1, 3), folds=2)


def times(recording: Recording) -> list[tuple[str, float, float]]:
    return sorted((label.code, round(label.onset_s, 3), round(label.offset_s, 3)) for label in recording.strong)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.0])
def test_call_has_the_stated_snr(snr_db: float) -> None:
    rng = np.random.default_rng(0)
    background = rng.normal(0, 0.01, RATE_HZ).astype(np.float32)
    background[RATE_HZ // 2 :] *= 4
    tone = np.sin(np.arange(RATE_HZ // 4), dtype=np.float32)
    start = RATE_HZ // 2
    label = StrongLabel("AAA", 0.5, 0.75)
    sound = mix_soundscape(background, [PlacedCall(tone, start, (label,), snr_db, Recording(Path("x"), "x", "x"))])
    here = slice(start, start + len(tone))
    added = (sound - background)[here]
    assert 20 * np.log10(rms(added) / rms(background[here])) == pytest.approx(snr_db, abs=0.05)
    assert np.array_equal(np.delete(sound, here), np.delete(background, here))


def test_soundscape_never_clips() -> None:
    background = np.full(RATE_HZ, 0.2, np.float32)
    call = PlacedCall(np.ones(100, np.float32), 0, (), 40, Recording(Path("x"), "x", "x"))
    assert np.abs(mix_soundscape(background, [call])).max() == pytest.approx(10 ** (-0.7 / 20))


def test_soundscapes_depend_only_on_seed_and_number(corpus: Corpus, tmp_path: Path) -> None:
    write_soundscapes(corpus, tmp_path / "a", SETTINGS)
    write_soundscapes(corpus, tmp_path / "b", replace(SETTINGS, count=8))
    write_soundscapes(corpus, tmp_path / "c", replace(SETTINGS, seed=1))
    names = [f"audio/soundscape-{number:04}.wav" for number in range(6)]
    first, longer, other = ([(tmp_path / run / name).read_bytes() for name in names] for run in "abc")
    assert first == longer
    assert all(one != two for one, two in zip(first, other, strict=True))


@pytest.mark.parametrize(("labels", "reader"), [("raven", read_raven_folder), ("audacity", read_audacity_folder)])
def test_tables_and_label_files_agree(corpus: Corpus, tmp_path: Path, labels: str, reader: Reader) -> None:
    made = write_soundscapes(corpus, tmp_path, replace(SETTINGS, labels=labels))
    findings = Findings()
    read_back = reader(tmp_path / "audio", findings)
    assert not findings.errors
    by_table = {each.path: times(each) for each in read_corpus(tmp_path).recordings}
    assert by_table == {each.path: times(each) for each in made.recordings}
    assert by_table == {each.path: times(each) for each in read_back.recordings}
    with (tmp_path / "calls.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(map(len, by_table.values())) > 0
    assert all(0 <= float(row["snr_db"]) <= 20 for row in rows)


def test_soundscapes_of_two_folds_share_no_source(corpus: Corpus, tmp_path: Path) -> None:
    made = write_soundscapes(corpus, tmp_path, SETTINGS)
    check_disjoint(made.recordings, {each.name: each.split for each in made.recordings})
    split_of = {each.name: each.split for each in made.recordings}
    parts: dict[str, set[str]] = {}
    with (tmp_path / "calls.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            parts.setdefault(split_of[row["name"]], set()).update((row["call"], row["background"]))
    assert parts["1"].isdisjoint(parts["2"])


def test_soundscapes_are_a_valid_data_set(corpus: Corpus, tmp_path: Path) -> None:
    findings = Findings()
    check_corpus(write_soundscapes(corpus, tmp_path, SETTINGS), findings, lambda *_: None)
    assert not findings.errors


def test_excerpt_has_all_boxes_inside_it(corpus: Corpus, tmp_path: Path) -> None:
    boxes = (StrongLabel("AAA", 0.5, 1.5, quality="H"), StrongLabel("BBB", 1.25, 2.0), StrongLabel("AAA", 2.5, 2.75))
    boxed = [
        replace(each, weak=(), strong=boxes) if each.codes == ("AAA",) else each
        for each in corpus.recordings
        if each.codes in ((), ("AAA",))
    ]
    settings = replace(SETTINGS, calls=(1, 1), count=12)
    for each in write_soundscapes(replace(corpus, recordings=tuple(boxed)), tmp_path, settings).recordings:
        lengths = [(label.code, round(label.offset_s - label.onset_s, 3)) for label in each.strong]
        assert lengths in (
            [("AAA", 1.0), ("BBB", 0.25)],
            [("BBB", 0.75), ("AAA", 0.25)],
            [("AAA", 0.25), ("BBB", 0.75)],
            [("AAA", 0.25)],
        )
        assert len(load_audio(each, RATE_HZ)) == 5 * RATE_HZ


def test_too_few_sources_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ask for fewer folds"):
        write_soundscapes(corpus, tmp_path, replace(SETTINGS, folds=9))
