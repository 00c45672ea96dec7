"""Raven and Audacity labels are matched with recordings; errors have file and line."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from anura_train.data import Findings, StrongLabel
from anura_train.data.readers.audacity import read_audacity, write_audacity
from anura_train.data.readers.selection_tables import read_audacity_folder, read_raven_folder

RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    for name in ("POND_20240501_233000.wav", "POND_20240502_003000.wav"):
        soundfile.write(tmp_path / name, np.zeros(8_000), 8_000)
    return tmp_path


def test_raven_selection_in_two_views_is_read_once(sound: Path) -> None:
    (sound / "POND_20240501_233000.Table.1.selections.txt").write_text(
        f"{RAVEN}\tSpecies\n"
        "1\tWaveform 1\t1\t0.1\t0.4\t0\t4000\tHYLCIN\n"
        "1\tSpectrogram 1\t1\t0.1\t0.4\t900\t1200\tHYLCIN\n"
        "2\tSpectrogram 1\t1\t0.5\t0.9\t\t\tGreen Frog\n"
    )
    (sound / "POND_20240502_003000.selections.txt").write_text(f"{RAVEN}\tSpecies\n")
    findings = Findings()
    corpus = read_raven_folder(sound, findings)
    assert not findings.errors
    first, second = corpus.recordings
    assert first.strong == (StrongLabel("HYLCIN", 0.1, 0.4, 900, 1200), StrongLabel("Green_Frog", 0.5, 0.9))
    assert second.codes == ()
    assert first.site == second.site == "POND"
    assert first.night == second.night  # before and after midnight


def test_raven_times_are_relative_to_each_file(sound: Path) -> None:
    table = sound / "all.txt"
    rows = "{}\tSpectrogram 1\t1\t{}\t{}\t1\t2\tHYLCIN\tC:\\field\\{}\t{}\n"
    table.write_text(
        f"{RAVEN}\tSpecies Code\tBegin Path\tFile Offset (s)\n"
        + rows.format(1, 0.1, 0.4, "POND_20240501_233000.wav", 0.1)
        + rows.format(2, 1.5, 1.75, "POND_20240502_003000.wav", 0.5)
    )
    findings = Findings()
    corpus = read_raven_folder(sound, findings)
    assert not findings.errors
    assert [(label.onset_s, label.offset_s) for each in corpus.recordings for label in each.strong] == [
        (0.1, pytest.approx(0.4)),
        (0.5, 0.75),
    ]
    table.write_text(table.read_text().replace("File Offset (s)", "Offset"))
    read_raven_folder(sound, findings)
    assert "several files, but no column 'File Offset (s)'" in findings.errors[0].message


def test_invalid_raven_rows_are_errors(sound: Path) -> None:
    (sound / "POND_20240501_233000.txt").write_text(
        f"{RAVEN}\tBegin File\tSpecies\n"
        "1\tSpectrogram 1\t1\t0.4\t0.1\t1\t2\tPOND_20240501_233000.wav\tHYLCIN\n"
        "2\tSpectrogram 1\t1\tx\t0.1\t1\t2\tPOND_20240501_233000.wav\tHYLCIN\n"
        "3\tSpectrogram 1\t1\t0.1\t0.2\t1\t2\tPOND_20240501_233000.wav\t\n"
        "4\tSpectrogram 1\t1\t0.1\t0.2\t1\t2\tPOND_20240501_233000.wav\tHYLCIX\n"
    )
    (sound / "stray.txt").write_text(f"{RAVEN}\tSpecies\n1\tSpectrogram 1\t1\t0.1\t0.4\t0\t4000\tHYLCIN\n")
    (sound / "species.csv").write_text("code\nHYLCIN\n")
    findings = Findings()
    read_raven_folder(sound, findings)
    errors = [str(error).removeprefix(f"{sound}/") for error in findings.errors]
    for report, wanted in zip(
        errors,
        [
            "POND_20240501_233000.txt, line 2: onset 0.4 s is not before",
            "POND_20240501_233000.txt, line 3: could not convert string to float: 'x'",
            "POND_20240501_233000.txt, line 4: no species in one of the columns",
            "POND_20240501_233000.txt, line 5: code 'HYLCIX' is not in species.csv; correct it, as in HYLCIN",
            "stray.txt, line 2: no recording 'stray'",
            "POND_20240502_003000.wav: has no labels",
        ],
        strict=True,
    ):
        assert report.startswith(wanted), errors


def test_equal_file_names_use_labels_of_their_folder(tmp_path: Path) -> None:
    for site, code in (("pond", "AAA"), ("lake", "BBB")):
        (tmp_path / site).mkdir()
        soundfile.write(tmp_path / site / "night.wav", np.zeros(8_000), 8_000)
        (tmp_path / site / "night.txt").write_text(f"0.1\t0.4\t{code}\n")
    (tmp_path / "pond/._night.wav").write_bytes(b"a Mac was here")
    findings = Findings()
    corpus = read_audacity_folder(tmp_path, findings)
    assert not findings.errors
    assert {each.name: each.codes for each in corpus.recordings} == {
        "pond/night.wav": ("AAA",),
        "lake/night.wav": ("BBB",),
    }
    (tmp_path / "night.txt").write_text("0.1\t0.4\tCCC\n")
    read_audacity_folder(tmp_path, findings)
    assert "night.txt, line 1: several recordings 'night'; keep" in str(findings.errors[0])


def test_audacity_tracks_have_band_and_quality(sound: Path) -> None:
    (sound / "POND_20240501_233000.txt").write_text("0.1\t0.4\tHYLCIN_M\n\\\t900\t1200\n0.5\t0.9\tdog_bark\t0.87\n")
    (sound / "POND_20240502_003000.txt").write_text("")
    findings = Findings()
    corpus = read_audacity_folder(sound, findings)
    assert not findings.errors
    assert corpus.recordings[0].strong == (
        StrongLabel("HYLCIN", 0.1, 0.4, 900, 1200, "M"),
        StrongLabel("dog_bark", 0.5, 0.9),
    )


def test_audacity_track_round_trip(tmp_path: Path) -> None:
    labels = [StrongLabel("HYLCIN", 0.125, 0.5, 900, 1200, "H"), StrongLabel("dog_bark", 1, 2)]
    write_audacity(tmp_path / "track.txt", labels)
    read = read_audacity(tmp_path / "track.txt", lambda where, what: pytest.fail(f"{where}: {what}"))
    assert [label for _, label in read] == labels


def test_invalid_audacity_lines_are_errors_with_line_number(sound: Path) -> None:
    (sound / "POND_20240501_233000.txt").write_text(
        "0.1 0.4 HYLCIN\n0.5\tlate\tHYLCIN\n0.5\t0.9\tno code\n1\t2\tHYLCIN\n\\\tlow\n"
    )
    (sound / "POND_20240502_003000.txt").write_bytes(b"\xff\xfe\x00")
    findings = Findings()
    read_audacity_folder(sound, findings)
    assert [error.message.split(";")[0].split(":")[0] for error in findings.errors] == [
        "not `onset <tab> offset <tab> label`",
        "onset or offset is not a number",
        "the label is not CODE or CODE_Q with Q one of L, M, H",
        "not `\\ <tab> low <tab> high`",
        "cannot be read",
    ]


def test_folder_without_audio_is_refused(tmp_path: Path) -> None:
    findings = Findings()
    read_raven_folder(tmp_path, findings)
    assert "contains no recording" in findings.errors[0].message


@pytest.mark.skipif("ANURA_DATA" not in os.environ, reason="ANURA_DATA names no folder with boxed recordings")
def test_real_raven_tables_use_species_of_recordings(tmp_path: Path) -> None:
    shutil.copytree(Path(os.environ["ANURA_DATA"]) / "strong_boxes", tmp_path / "boxes")
    species = {"cuvieri": "PHYCUV", "centralis": "PHYCEN", "kroyeri": "PHYKRO", "great_plains_toad": "ANACOG"}
    rows = "".join(f"{stem}.wav,{code},{stem}\n" for stem, code in species.items())
    (tmp_path / "boxes/recordings.csv").write_text(f"file,labels,group\n{rows}")
    findings = Findings()
    corpus = read_raven_folder(tmp_path / "boxes", findings)
    assert not findings.errors
    assert {each.name: len(each.strong) for each in corpus.recordings} == {
        "cuvieri.wav": 3,
        "centralis.wav": 3,
        "kroyeri.wav": 3,
        "great_plains_toad.wav": 0,
    }
    first = corpus.recordings[0].strong[0]
    assert (first.code, first.low_hz, first.high_hz) == ("PHYCUV", 110.0, 4400.0)
