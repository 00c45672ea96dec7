"""A corpus is equal after it was written and read; errors in tables are reported together."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.errors import SourceError
from anura_train.data import Corpus, Findings, Recording, StrongLabel, Taxon, WeakLabel, read_corpus
from anura_train.data.readers.csv_tables import read_tables, write_tables

CODES = st.sampled_from(["AAA", "BBB", "C-1"])
TEXT = st.text("abc é,;\"'\n", max_size=8).map(str.strip)
SECONDS = st.floats(0, 60, width=16)


@st.composite
def boxes(draw: st.DrawFn) -> StrongLabel:
    onset_s, low_hz = draw(SECONDS), draw(st.none() | st.floats(0, 9_000, width=16))
    return StrongLabel(
        code=draw(CODES),
        onset_s=onset_s,
        offset_s=onset_s + draw(st.floats(0.125, 9, width=16)),
        low_hz=low_hz,
        high_hz=None if low_hz is None else low_hz + 500,
        quality=draw(st.sampled_from(["", "L", "M", "H"])),
    )


def in_order(labels: list[StrongLabel]) -> tuple[StrongLabel, ...]:
    return tuple(sorted(labels, key=lambda label: (label.onset_s, label.offset_s, label.code)))


@st.composite
def corpora(draw: st.DrawFn, root: Path = Path("/data")) -> Corpus:
    recordings = [
        Recording(
            path=root / f"{index}.wav",
            name=f"{index}.wav",
            group=draw(st.sampled_from(["g1", "g2"])),
            weak=tuple(
                WeakLabel(code, draw(st.none() | st.integers(1, 3))) for code in draw(st.lists(CODES, unique=True))
            ),
            strong=in_order(draw(st.lists(boxes(), max_size=3, unique_by=lambda box: (box.code, box.onset_s)))),
            kind=draw(TEXT),
            site=draw(TEXT),
            night=draw(st.none() | st.dates()),
            start=draw(st.none() | st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC))),
            licence=draw(TEXT),
            attribution=draw(TEXT),
            split=draw(TEXT),
            held_out=draw(st.booleans()),
        )
        for index in range(draw(st.integers(0, 4)))
    ]
    return Corpus(tuple(recordings), tuple(Taxon(code, draw(TEXT), draw(TEXT)) for code in ("AAA", "BBB", "C-1")))


@given(corpora())
def test_corpus_round_trip_through_tables(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus) -> None:
    folder = tmp_path_factory.mktemp("form")
    write_tables(corpus, folder)
    findings = Findings()
    assert read_tables(folder, findings) == corpus
    assert not findings.errors


def write(folder: Path, **tables: str) -> None:
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")


def test_written_folder_can_be_moved(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here/a.wav").write_bytes(b"sound")
    write_tables(Corpus((Recording(tmp_path / "here/a.wav", "a.wav", "g"),), ()), tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    assert read_corpus(tmp_path / "there").recordings[0].path.read_bytes() == b"sound"


def test_two_columns_are_enough(tmp_path: Path) -> None:
    write(tmp_path, recordings="file;labels\na.wav;AAA BBB:3 CCC:0\nb.wav;\n")
    findings = Findings()
    corpus = read_tables(tmp_path, findings)
    assert corpus.recordings[0].weak == (WeakLabel("AAA"), WeakLabel("BBB", 3))
    assert [each.codes for each in corpus.recordings] == [("AAA", "BBB"), ()]
    assert [taxon.code for taxon in corpus.species] == ["AAA", "BBB"]
    assert "2 without a group" in findings.warnings[0].message


def test_errors_name_table_line_and_column(tmp_path: Path) -> None:
    write(
        tmp_path,
        recordings="file,labels,night,start,held_out\n"
        "a.wav,AAB,2024-13-01,,\n"
        "b.wav,AAA,,2024-01-01T20:00:00,\n"
        "c.wav,A A!,,,perhaps\n"
        "d.wav,AAA,2024-01-01,2024-01-01T20:00:00-03:00,yes\n"
        "e.wav,AAB,,,\n"
        "d.wav,AAA,,,\n",
        labels="name,code,onset_s,offset_s,low_hz,high_hz,quality\n"
        "d.wav,AAA,2,1,,,\n"
        "d.wav,AAA,1,2,900,800,\n"
        "d.wav,AAA,-1,2,,,\n"
        "d.wav,AAA,x,2,,,Q\n"
        "d.wav,AAA,1,2,,,H\n"
        "d.wav,AAA,1,2,,,H\n"
        "d.wav,AAB,3,4,,,\n"
        "z.wav,AAA,1,2,,,\n",
        species="code,scientific_name\nAAA,Rana a\nAAA,Rana a\n",
    )
    findings = Findings()
    corpus = read_tables(tmp_path, findings)
    expected = [
        "species.csv, line 3: code: AAA is listed twice",
        "labels.csv, line 2: d.wav, AAA: onset 2 s is not before offset 1 s",
        "labels.csv, line 3: d.wav, AAA: low 900 Hz is not below high 800 Hz",
        "labels.csv, line 4: d.wav, AAA: onset -1 s is not in the recording",
        "labels.csv, line 5: onset_s:",
        "labels.csv, line 5: quality:",
        "labels.csv, line 7: d.wav, AAA: this box is listed twice",
        "labels.csv, line 8: code 'AAB' is not in species.csv; correct it, as in AAA",
        "recordings.csv, line 2: night:",
        "recordings.csv, line 3: start:",
        "recordings.csv, line 4: labels:",
        "recordings.csv, line 4: held_out:",
        "recordings.csv, line 6: code 'AAB' is not in species.csv",
        "recordings.csv, line 7: name: d.wav is listed twice",
        "labels.csv: 'z.wav' is not in recordings.csv",
    ]
    found = [str(error).removeprefix(f"{tmp_path}/") for error in findings.errors]
    assert len(found) == len(expected), found
    for report, wanted in zip(found, expected, strict=True):
        assert report.startswith(wanted), report
    assert {each.name: each.night for each in corpus.recordings}["d.wav"] == date(2024, 1, 1)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"file,kind\na.wav,rain\n", "line 1: no column 'labels' \\(found file, kind\\)"),
        (b"", "line 1: no column 'file', 'labels' \\(found nothing\\)"),
        ("file,labels\nä.wav,\n".encode("latin-1"), "is not UTF-8"),
        (b"x" * 200_000, "line 1: field larger than field limit"),
        (b"file,labels\n" + b"x" * 200_000, "line 2: field larger than field limit"),
    ],
)
def test_invalid_csv_file_is_refused(tmp_path: Path, content: bytes, error: str) -> None:
    (tmp_path / "recordings.csv").write_bytes(content)
    with pytest.raises(SourceError, match=error):
        read_corpus(tmp_path)
