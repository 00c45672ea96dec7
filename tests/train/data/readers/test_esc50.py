"""Clips have a class, a group by source, and a published split."""

import os
from pathlib import Path

import pytest

from anura_train.data import Findings
from anura_train.data.folds import check_disjoint, published_folds
from anura_train.data.readers.esc50 import read_split_table


def test_published_esc50_is_read(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio/1-100032-A-0.wav").touch()
    (tmp_path / "meta/esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-100032-A-0.wav,1,0,dog,True,100032,A\n"
        "5-9032-B-0.wav,5,0,Sea waves,False,9032,B\n"
    )
    findings = Findings()
    corpus = read_split_table(tmp_path, findings)
    first, second = corpus.recordings
    assert (first.codes, first.group, first.split) == (("dog",), "100032", "1")
    assert first.path.is_file()
    assert second.codes == ("Sea_waves",)
    assert corpus.taxon("Sea_waves").scientific_name == "Sea waves"
    assert published_folds(corpus.recordings) == {first.name: 0, second.name: 1}


def test_parts_of_one_insect_recording_are_one_group(tmp_path: Path) -> None:
    (tmp_path / "clips/train").mkdir(parents=True)
    for name in ("Achetadomesticus_XC1_edit1.wav", "Achetadomesticus_XC1_edit2.wav"):
        (tmp_path / "clips/train" / name).touch()
    (tmp_path / "insects.csv").write_text(
        "file_name,species,data_set,licence,attribution\n"
        "Achetadomesticus_XC1_edit1.wav,Acheta domesticus,train,CC BY 4.0,somebody\n"
        "Achetadomesticus_XC1_edit2.wav,Acheta domesticus,train,CC BY 4.0,somebody\n"
        "Gryllusbimaculatus_2_chunk3.wav,Gryllus bimaculatus,test,CC BY 4.0,somebody\n"
    )
    findings = Findings()
    corpus = read_split_table(tmp_path, findings)
    assert [each.group for each in corpus.recordings] == [
        "Achetadomesticus_XC1",
        "Achetadomesticus_XC1",
        "Gryllusbimaculatus_2",
    ]
    assert [each.split for each in corpus.recordings] == ["train", "train", "test"]
    assert [taxon.code for taxon in corpus.species] == ["Acheta_domesticus", "Gryllus_bimaculatus"]
    assert corpus.recordings[1].path.is_file()
    assert corpus.recordings[0].licence == "CC BY 4.0"
    assert not findings.errors


@pytest.mark.parametrize(
    ("tables", "error"),
    [
        ({}, "one table of clips (found none)"),
        ({"a.csv": "x\n", "b.csv": "x\n"}, "one table of clips (found a.csv, b.csv)"),
        ({"a.csv": "file,label\na,b\n"}, "no column for the split; name it split or"),
        ({"a.csv": "file,label,fold\na,!,1\n"}, "class '!'"),
        ({"a.csv": "file,label,fold\na,b,1\na,b,1\n"}, "a is listed twice"),
    ],
)
def test_unusable_split_table_is_an_error(tmp_path: Path, tables: dict[str, str], error: str) -> None:
    for name, text in tables.items():
        (tmp_path / name).write_text(text)
    findings = Findings()
    read_split_table(tmp_path, findings)
    assert error in str(findings.errors[0])


@pytest.mark.skipif("ANURA_DATA" not in os.environ, reason="ANURA_DATA names no folder with ESC-10")
def test_real_esc10_has_five_folds_without_shared_sources() -> None:
    findings = Findings()
    corpus = read_split_table(Path(os.environ["ANURA_DATA"]) / "esc10", findings)
    assert not findings.errors
    assert (len(corpus.recordings), len(corpus.species)) == (400, 10)
    folds = published_folds(corpus.recordings)
    assert set(folds.values()) == set(range(5))
    check_disjoint(corpus.recordings, folds)
