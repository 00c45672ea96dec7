"""The tables are read as they are, or refused by file, line and column."""

from pathlib import Path

import numpy as np
import pytest

from anura_edge.errors import SourceError
from anura_train.data import RATE_HZ, Corpus, load, read_corpus


def test_labels_are_the_species_of_two_groups_or_more_in_order(corpus: Corpus) -> None:
    assert corpus.labels() == ("AAA", "BBB", "CCC")
    assert "DDD" in {clip.code for clip in corpus.frogs}


def test_a_background_that_is_not_free_is_never_learnt_from(corpus: Corpus) -> None:
    assert [clip.licence for clip in corpus.held_out] == ["GPL-3"]
    assert "GPL-3" not in {clip.licence for clip in corpus.backgrounds}


def test_takes_of_one_esc10_source_are_one_group(corpus: Corpus) -> None:
    groups = [clip.group for clip in corpus.backgrounds if clip.name.startswith("esc10/")]
    assert groups == ["1-100", "1-100", "2-200"]


def test_a_file_listed_twice_is_read_once(root: Path) -> None:
    table = root / "frogs/frogs.csv"
    before = len(read_corpus(root).frogs)
    table.write_text(table.read_text() + table.read_text().splitlines()[1] + "\n")
    assert len(read_corpus(root).frogs) == before


def test_sound_is_mono_at_the_working_rate(corpus: Corpus) -> None:
    samples = load(corpus.frogs[0])
    assert samples.dtype == np.float32
    assert samples.shape == (3 * RATE_HZ,)


def test_a_bad_row_is_refused_by_table_line_and_column(root: Path) -> None:
    table = root / "frogs/frogs.csv"
    lines = table.read_text().splitlines()
    lines[2] = lines[2].replace("AAA,", "A A,")
    table.write_text("\n".join(lines))
    with pytest.raises(SourceError, match=r"frogs\.csv, line 3: code: .*correct the row"):
        read_corpus(root)


@pytest.mark.parametrize("table", ["frogs/frogs.csv", "background/background.csv", "esc10/esc10.csv"])
def test_a_missing_table_is_named(root: Path, table: str) -> None:
    (root / table).unlink()
    with pytest.raises(SourceError, match=table):
        read_corpus(root)


def test_a_missing_recording_is_named(root: Path) -> None:
    (root / "frogs/audio/BBB_1.flac").unlink()
    with pytest.raises(SourceError, match=r"BBB_1\.flac is listed but missing"):
        read_corpus(root)


@pytest.mark.parametrize("content", [b"", b"not a sound"])
def test_a_recording_that_cannot_be_decoded_is_named(corpus: Corpus, content: bytes) -> None:
    corpus.frogs[0].path.write_bytes(content)
    with pytest.raises(SourceError, match=r"AAA_0\.flac.*delete its row"):
        load(corpus.frogs[0])
