"""The AnuraSet reader: labels, known errors of the published set, and missing files."""

import os
import shutil
from datetime import date
from pathlib import Path

import pytest

from anura_train.data import Findings, StrongLabel, WeakLabel
from anura_train.data.folds import check_disjoint
from anura_train.data.readers.anuraset import canonical_name, read_labelled_minutes, read_minutes, read_windows
from anura_train.data.readers.anuraset_species import ANURASET

HEADER = "sample_name,fname,min_t,max_t,site,date,species_number,subset,SPHSUR,BOAFAB\n"


def test_minutes_have_both_kinds_of_labels_site_and_night(raw: Path) -> None:
    findings = Findings()
    corpus = read_labelled_minutes(raw, findings)
    assert not findings.errors
    assert not findings.warnings
    assert len(corpus.recordings) == 20
    assert [taxon.scientific_name for taxon in corpus.species] == [
        "Sphaenorhynchus surdus",
        "Boana faber",
        "Leptodactylus fuscus",
    ]
    by_group = {each.group: each for each in corpus.recordings}
    first, early = by_group["INCT4_20191101_190000"], by_group["INCT17_20191109_040001"]
    assert first.weak == tuple(WeakLabel(code, 2) for code in ("SPHSUR", "BOAFAB", "LEPFUS"))
    assert {label.quality for each in corpus.recordings for label in each.strong} == {"L", "M", "H"}
    assert (first.site, first.night, early.night) == ("INCT4", date(2019, 11, 1), date(2019, 11, 8))
    assert first.start
    assert first.start.isoformat() == "2019-11-01T19:00:00-03:00"
    assert by_group["INCT20955_20191123_041500_000"].site == "INCT20955"


def test_absent_species_is_not_in_the_corpus(raw: Path) -> None:
    table = raw / "weak_labels.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([f"{lines[0]},RHIICT", *(f"{line},0" for line in lines[1:])]) + "\n")
    assert "RHIICT" in {taxon.code for taxon in read_labelled_minutes(raw, Findings()).species}
    findings = Findings()
    assert "RHIICT" not in {taxon.code for taxon in read_minutes(raw, findings).species}
    assert "no recording of RHIICT" in findings.warnings[0].message


def test_known_errors_of_anuraset_are_warnings(raw: Path) -> None:
    track = next((raw / "strong_labels/strong_labels/INCT4").glob("*_190000.txt"))
    track.write_text(
        "0.5\t1\tSPHSUR_M\n"
        "\\\t500\t900\n"
        "1\t2\tBOAFAB\n"
        "no label\n"
        "2\t1\tSPHSUR_L\n"
        "2\t3\tSPHSUR_X\n"
        "3\t4\tHYLCIN_L\n"
        "5\t9\tLEPFUS_H\n"
        "7\t9\tLEPFUS_H\n"
    )
    (raw / "strong_labels/strong_labels/INCT4/INCT4_20200101_000000.txt").touch()
    table = raw / "weak_labels.csv"
    table.write_text(table.read_text() + "INCT4,INCT4_20200101_000000,0,7,0\n")
    findings = Findings()
    corpus = read_labelled_minutes(raw, findings)
    assert not findings.errors
    recording = next(each for each in corpus.recordings if each.group == track.stem)
    assert recording.strong == (
        StrongLabel("SPHSUR", 0.5, 1, 500, 900, "M"),
        StrongLabel("BOAFAB", 1, 2),
        StrongLabel("LEPFUS", 5, 6, quality="H"),
    )
    warnings = "\n".join(map(str, findings.warnings))
    for line, what in {
        4: "not `onset <tab> offset <tab> label`",
        5: "onset 2 s is not before offset 1 s",
        6: "unknown species 'SPHSUR_X'",
        7: "unknown species 'HYLCIN'",
        8: "ends after the recording's end at 6.00 s; cut there",
        9: "begins after the recording's end",
    }.items():
        assert f"{track.name}, line {line}: {what}" in warnings
    assert "1 label tracks without a recording" in warnings
    assert "line 22: BOAFAB: not a calling index from 0 to 3" in warnings


def test_all_recordings_without_labels_or_audio_are_errors(raw: Path) -> None:
    sites = raw / "strong_labels/strong_labels"
    (sites / "INCT4/INCT4_20191101_190000.txt").unlink()
    (raw / "raw_data/INCT17/INCT17_20191101_040001.wav").write_bytes(b"RIFF")
    findings = Findings()
    assert len(read_labelled_minutes(raw, findings).recordings) == 18
    assert len(findings.errors) == 2
    assert {error.message.split(";")[0].split(":")[0] for error in findings.errors} == {
        "has no label track",
        "cannot be decoded",
    }
    read_labelled_minutes(raw / "nowhere", findings)
    assert "raw_data.zip" in findings.errors[-1].message


@pytest.mark.parametrize("folder", ["", "audio"])
@pytest.mark.parametrize("by_sample_name", [True, False])
def test_windows_are_found_by_both_file_names(tmp_path: Path, folder: str, by_sample_name: bool) -> None:
    file = tmp_path / folder / "INCT4" / ("SAMPLE_1.wav" if by_sample_name else "INCT4_20191101_190000_0_3.wav")
    file.parent.mkdir(parents=True)
    file.touch()
    row = "SAMPLE_1.wav,INCT4_20191101_190000,0,3,INCT04,2019-11-01 19:00:00,2,train,1,0\n"
    # Some copies have the columns in another order.
    header = HEADER.replace("species_number,subset", "subset,species_number")
    row = row.replace("INCT04", "INCT4").replace("2,train", "train,2")
    (tmp_path / "metadata.csv").write_text(header + row)
    findings = Findings()
    (window,) = read_windows(tmp_path, findings).recordings
    assert window.path == file
    assert (window.group, window.split, window.codes) == ("INCT4_20191101_190000", "train", ("SPHSUR",))
    assert [warning.message.partition(";")[0] for warning in findings.warnings] == [
        "species_number is not the number of species in 1 rows",
        "no recording of BOAFAB",
    ]


def test_invalid_window_rows_are_errors(tmp_path: Path) -> None:
    stem = "INCT4_20191101_190000"
    (tmp_path / "metadata.csv").write_text(
        HEADER
        + f"a.wav,{stem},0,3,INCT4,,1,train,1,0\n"
        + f"a.wav,{stem},0,3,INCT4,,1,train,1,0\n"
        + f"a.wav,{stem},x,3,INCT4,,1,train,1,0\n"
        + f"a.wav,{stem},1,4,INCT4,,1,train,yes,0\n"
    )
    findings = Findings()
    read_windows(tmp_path, findings)
    assert [str(error).partition("metadata.csv, ")[2].partition(";")[0] for error in findings.errors] == [
        f"line 3: INCT4/{stem}_0_3.wav is listed twice",
        "line 4: min_t, max_t: not whole seconds",
        "line 5: SPHSUR: neither 0 nor 1",
    ]


def test_site_name_of_weak_labels_becomes_that_of_the_files() -> None:
    assert canonical_name("INCT04_20191101_190000.wav") == "INCT4_20191101_190000"
    assert canonical_name("INCT20955") == "INCT20955"


@pytest.mark.skipif("ANURA_DATA" not in os.environ, reason="ANURA_DATA names no folder with AnuraSet's rows")
def test_real_rows_of_metadata_are_read(tmp_path: Path) -> None:
    shutil.copy(Path(os.environ["ANURA_DATA"]) / "anuraset/metadata_343_rows.csv", tmp_path / "metadata.csv")
    findings = Findings()
    corpus = read_windows(tmp_path, findings)
    assert len(corpus.recordings) == 343
    assert {each.site for each in corpus.recordings} == {"INCT4", "INCT17", "INCT41", "INCT20955"}
    assert [taxon.code for taxon in corpus.species] == list(ANURASET)
    assert all(taxon.scientific_name and taxon.frequency for taxon in corpus.species)
    assert not findings.errors
    assert "species_number is not the number of species in 343 rows" in findings.warnings[0].message
    check_disjoint(corpus.recordings, {each.name: each.split for each in corpus.recordings})
