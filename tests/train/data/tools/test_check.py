"""An invalid data set gives one report with every error before any training."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from anura_train.data import Corpus, Findings
from anura_train.data.readers.csv_tables import read_tables
from anura_train.data.tools.check import check_corpus

RATE_HZ = 8_000


def write_sound(path: Path, seed: int) -> None:
    soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, RATE_HZ), RATE_HZ)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A valid data set of four recordings, two of each species, in a train and a test part."""
    for index in range(4):
        write_sound(tmp_path / f"{index}.wav", index)
    (tmp_path / "recordings.csv").write_text(
        "file,labels,group,split\n0.wav,AAA,g0,train\n1.wav,BBB,g1,train\n2.wav,AAA,g2,test\n3.wav,BBB,g3,test\n"
    )
    (tmp_path / "labels.csv").write_text("name,code,onset_s,offset_s\n0.wav,AAA,0.5,1.04\n")
    (tmp_path / "species.csv").write_text("code\nAAA\nBBB\n")
    return tmp_path


def examine(folder: Path) -> Findings:
    findings = Findings()
    check_corpus(read_tables(folder, findings), findings, lambda *_: None)
    return findings


def add(table: Path, text: str) -> None:
    table.write_text(table.read_text() + text)


def test_valid_data_set_has_no_errors(folder: Path) -> None:
    findings = examine(folder)
    assert not findings.errors
    assert not findings.warnings


def test_report_has_every_error(folder: Path) -> None:
    (folder / "1.wav").unlink()
    (folder / "2.wav").write_bytes(b"no sound")
    (folder / "empty.wav").touch()
    write_sound(folder / "copy.wav", 3)
    add(folder / "recordings.csv", "copy.wav,BBB,g0,test\nempty.wav,AAB,g4,\n0.wav,AAA,g0,train\n4.wav\n")
    add(folder / "labels.csv", "0.wav,AAA,0.5,1.2\n0.wav,AAA,1.01,1.02\n0.wav,AAA,0.5,0.4\n0.wav,CCC,0.1,0.2\n")
    add(folder / "species.csv", "ZZZ\n")
    found = [str(error).replace(f"{folder}/", "") for error in examine(folder).errors]
    expected = [
        "labels.csv, line 5: 0.wav, AAA: onset 0.5 s is not before offset 0.4 s",
        "labels.csv, line 6: code 'CCC' is not in species.csv",
        "recordings.csv, line 7: code 'AAB' is not in species.csv",
        "recordings.csv, line 8: name: 0.wav is listed twice",
        "recordings.csv, line 9: not the 4 cells of line 1",
        "0.wav: AAA, 0.5 to 1.2 s: after the recording's end at 1.00 s",
        "0.wav: AAA, 1.01 to 1.02 s: after",
        "1.wav: missing",
        "2.wav: cannot decode",
        "copy.wav: is the same audio as 3.wav of another group",
        "empty.wav: cannot decode",
        "species ZZZ: it has no recording",
        "split: group 'g0' is split between train and test by copy.wav",
    ]
    assert len(found) == len(expected), found
    for report, wanted in zip(found, expected, strict=True):
        assert report.startswith(wanted), report


def test_leak_between_published_parts_is_an_error(folder: Path) -> None:
    table = folder / "recordings.csv"
    table.write_text(table.read_text().replace("g3,test", "g1,test"))
    (error,) = examine(folder).errors
    assert "group 'g1' is split between train and test by 3.wav" in str(error)


def test_silence_and_species_of_one_group_are_warnings(folder: Path) -> None:
    soundfile.write(folder / "0.wav", np.zeros(2 * RATE_HZ), RATE_HZ)
    soundfile.write(folder / "1.wav", np.zeros(2 * RATE_HZ), RATE_HZ)
    table = folder / "recordings.csv"
    table.write_text(table.read_text().replace("2.wav,AAA,g2,test", "2.wav,BBB,g2,test"))
    findings = examine(folder)
    assert not findings.errors
    assert [warning.message.partition(";")[0] for warning in findings.warnings] == [
        "is digital silence",
        "is digital silence",
        "one group of recordings is not enough for a test",
    ]


def test_nan_samples_are_an_error(folder: Path) -> None:
    sound = np.full(RATE_HZ * 2, np.nan, np.float32)
    soundfile.write(folder / "3.wav", sound, RATE_HZ, subtype="FLOAT")
    assert "contains NaN" in examine(folder).errors[0].message


def test_progress_counts_recordings(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    corpus: Corpus = read_tables(folder, Findings())
    check_corpus(corpus, Findings(), lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
