"""AnuraSet windows have the labels of their boxes, the published processing, and a split without leaks."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from anura_train.data import Findings, StrongLabel
from anura_train.data.folds import check_disjoint
from anura_train.data.readers.anuraset import METADATA_COLUMNS, read_labelled_minutes, read_windows
from anura_train.data.tools.anuraset_build import (
    AnurasetWindowSettings,
    build_windows,
    prepare,
    window_codes,
    window_starts,
)

RATE_HZ = 22_050

AS_RECORDED = {"band_pass": False, "normalise": False}
"""No filter: it takes most of the time, and most tests do not need it."""


def build(raw: Path, out: Path, **changes: float) -> list[dict[str, str]]:
    build_windows(read_labelled_minutes(raw, Findings()), out, AnurasetWindowSettings(**changes), lambda *_: None)
    with (out / "metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def milliseconds(raw: Path, stem: str) -> dict[str, np.ndarray]:
    """Return for each species the milliseconds in which it calls, read from the label track."""
    calls = {code: np.zeros(6_000, bool) for code in ("SPHSUR", "BOAFAB", "LEPFUS")}
    (track,) = raw.glob(f"strong_labels/strong_labels/*/{stem}.txt")
    for line in track.read_text().splitlines():
        onset, offset, label = line.split("\t")
        calls[label[:6]][round(1_000 * float(onset)) : round(1_000 * float(offset))] = True
    return calls


def test_window_labels_match_independent_count(raw: Path, tmp_path: Path) -> None:
    rows = build(raw, tmp_path / "windows", **AS_RECORDED)
    assert len(rows) == 19 * 4 + 2  # the short recording has two windows
    for row in rows:
        inside = slice(1_000 * int(row["min_t"]), 1_000 * int(row["max_t"]))
        for code, calls in milliseconds(raw, row["fname"]).items():
            assert row[code] == str(int(calls[inside].any())), (row["sample_name"], code)
        assert int(row["species_number"]) == sum(row[code] == "1" for code in ("SPHSUR", "BOAFAB", "LEPFUS"))
    assert 0 < sum(int(row["species_number"]) for row in rows) < 3 * len(rows)


def test_minimum_overlap_drops_edges_but_not_short_calls() -> None:
    boxes = [StrongLabel("SLIVER", 2.9, 8), StrongLabel("SHORT", 1, 1.2), StrongLabel("LONG", 1, 2.5)]
    assert window_codes(boxes, 0, 0) == {"SLIVER", "SHORT", "LONG"}
    assert window_codes(boxes, 0, 0.5) == {"SHORT", "LONG"}
    assert window_codes(boxes, 3, 0.5) == {"SLIVER"}


@given(st.floats(0, 60), st.floats(0.001, 9), st.floats(0, 3), st.integers(0, 57))
def test_larger_minimum_overlap_never_adds_labels(
    onset_s: float, duration_s: float, least_s: float, start_s: int
) -> None:
    box = [StrongLabel("AAA", onset_s, onset_s + duration_s)]
    assert window_codes(box, start_s, least_s) <= window_codes(box, start_s, 0)


@pytest.mark.parametrize(("samples", "windows"), [(60 * 22_050, 58), (3 * 22_050, 1), (3 * 22_050 - 1, 0)])
def test_number_of_complete_windows(samples: int, windows: int) -> None:
    assert len(window_starts(samples, RATE_HZ)) == windows


def test_table_has_published_columns_and_existing_files(raw: Path, tmp_path: Path) -> None:
    rows = build(raw, tmp_path, **AS_RECORDED)
    assert tuple(rows[0]) == (*METADATA_COLUMNS, "SPHSUR", "BOAFAB", "LEPFUS")
    by_name = {row["sample_name"]: row for row in rows}
    row = by_name["INCT17_20191101_040001_1_4.wav"]
    assert (row["fname"], row["site"], row["date"]) == ("INCT17_20191101_040001", "INCT17", "2019-11-01 04:00:01")
    findings = Findings()
    corpus = read_windows(tmp_path, findings)
    assert not findings.errors
    assert not findings.warnings
    for window in corpus.recordings:
        found = soundfile.info(window.path)
        assert (found.frames, found.samplerate, found.channels) == (3 * RATE_HZ, RATE_HZ, 1)
        assert found.subtype == "PCM_16"


def test_split_keeps_minutes_whole_and_follows_the_seed(raw: Path, tmp_path: Path) -> None:
    rows = build(raw, tmp_path, **AS_RECORDED)
    corpus = read_windows(tmp_path, Findings())
    check_disjoint(corpus.recordings, {each.name: each.split for each in corpus.recordings})
    test_part = {each.group for each in corpus.recordings if each.split == "test"}
    assert len(test_part) == 6  # 30 % of 20
    assert build(raw, tmp_path, **AS_RECORDED) == rows
    other = {row["fname"] for row in build(raw, tmp_path, seed=1, **AS_RECORDED) if row["subset"] == "test"}
    assert other != test_part


def test_window_has_louder_channel_and_published_peak(raw: Path, tmp_path: Path) -> None:
    build(raw, tmp_path)
    file = tmp_path / "audio/INCT4/INCT4_20191101_190000_2_5.wav"
    samples, _ = soundfile.read(file)
    assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(-0.7, abs=0.01)
    minute, _ = soundfile.read(raw / "raw_data/INCT4/INCT4_20191101_190000.wav")
    louder = minute[2 * RATE_HZ : 5 * RATE_HZ, 1]
    assert np.corrcoef(samples, louder)[0, 1] > 0.9


def test_band_pass_removes_other_frequencies() -> None:
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    middle = slice(RATE_HZ, 2 * RATE_HZ)

    def gain_db(pitch_hz: float) -> float:
        tone = np.sin(2 * np.pi * pitch_hz * time_s).astype(np.float32) / 2
        filtered = prepare(tone, AnurasetWindowSettings(normalise=False))
        return float(10 * np.log10(np.square(filtered[middle]).mean() / np.square(tone[middle]).mean()))

    assert gain_db(1_000) == pytest.approx(0, abs=0.1)
    assert gain_db(10_000) == pytest.approx(-6, abs=0.2)  # -3 dB, forwards and backwards
    assert gain_db(10_900) < -30


def test_unprocessed_window_and_silence_are_unchanged() -> None:
    window = np.linspace(-0.5, 0.5, 3 * RATE_HZ, dtype=np.float32)
    assert np.array_equal(prepare(window, AnurasetWindowSettings(band_pass=False, normalise=False)), window)
    assert not prepare(np.zeros(3 * RATE_HZ, np.float32), AnurasetWindowSettings()).any()
