"""The reader of the project's own layout: labels, licences, and errors with file, line and column."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from anura_edge.errors import SourceError
from anura_train.data import Corpus, Recording, load_audio, read_corpus

RATE_HZ = 22_050


def test_labels_are_sorted_species_with_two_groups(corpus: Corpus) -> None:
    assert corpus.labels() == ("AAA", "BBB", "CCC")
    assert "DDD" in {code for clip in corpus.frogs for code in clip.codes}


def test_background_without_free_licence_is_held_out(corpus: Corpus) -> None:
    assert [clip.licence for clip in corpus.held_out] == ["GPL-3"]
    assert "GPL-3" not in {clip.licence for clip in corpus.backgrounds}


def test_takes_of_one_esc10_source_are_one_group(corpus: Corpus) -> None:
    groups = [clip.group for clip in corpus.backgrounds if clip.name.startswith("esc10/")]
    assert groups == ["1-100", "1-100", "2-200"]


def test_file_listed_twice_is_read_once(root: Path) -> None:
    table = root / "frogs/frogs.csv"
    before = len(read_corpus(root).frogs)
    table.write_text(table.read_text() + table.read_text().splitlines()[1] + "\n")
    assert len(read_corpus(root).frogs) == before


def test_loaded_audio_is_mono_at_the_wanted_rate(corpus: Corpus) -> None:
    samples = load_audio(corpus.frogs[0], RATE_HZ)
    assert samples.dtype == np.float32
    assert samples.shape == (3 * RATE_HZ,)


def test_invalid_row_names_table_line_and_column(root: Path) -> None:
    table = root / "frogs/frogs.csv"
    lines = table.read_text().splitlines()
    lines[2] = lines[2].replace("AAA,", "A A,")
    table.write_text("\n".join(lines))
    with pytest.raises(SourceError, match=r"frogs\.csv, line 3: code: .*correct the row"):
        read_corpus(root)


@pytest.mark.parametrize("table", ["frogs/frogs.csv", "background/background.csv", "esc10/esc10.csv"])
def test_missing_table_is_named(root: Path, table: str) -> None:
    (root / table).unlink()
    with pytest.raises(SourceError, match=table):
        read_corpus(root)


def test_missing_recording_is_named(root: Path) -> None:
    (root / "frogs/audio/BBB_1.flac").unlink()
    with pytest.raises(SourceError, match=r"BBB_1\.flac: missing; copy"):
        read_corpus(root)


@pytest.mark.parametrize("content", [b"", b"not a sound"])
def test_undecodable_recording_is_named(root: Path, content: bytes) -> None:
    recording = read_corpus(root).frogs[0]
    recording.path.write_bytes(content)
    with pytest.raises(SourceError, match=r"AAA_0\.flac.*delete its row"):
        load_audio(recording, RATE_HZ)


def test_all_errors_are_in_one_report(root: Path) -> None:
    (root / "frogs/audio/BBB_1.flac").unlink()
    (root / "esc10/esc10.csv").write_text("file,sound\na.ogg,Rain\n")
    table = root / "background/background.csv"
    table.write_text(table.read_text() + "audio/new.flac,,g9,CC0,,surplus\naudio/new.flac,,g9,CC0,\n")
    with pytest.raises(SourceError) as refused:
        read_corpus(root)
    report = str(refused.value)
    assert report.startswith("4 errors")
    for fault in ("BBB_1.flac: missing", "esc10.csv, line 1: no column 'label'", "line 6: not the 5", "line 7: kind:"):
        assert fault in report


def test_one_file_with_two_species_is_an_error(root: Path) -> None:
    table = root / "frogs/frogs.csv"
    table.write_text(table.read_text() + "audio/AAA_0.flac,BBB,Rana bbb,AAA0,CC0,\n")
    with pytest.raises(SourceError, match=r"AAA_0\.flac: is listed twice, with two groups or species"):
        read_corpus(root)


def test_channel_with_highest_level_is_used(tmp_path: Path) -> None:
    quiet, loud = np.full(RATE_HZ, 0.1, np.float32), np.full(RATE_HZ, 0.25, np.float32)
    soundfile.write(tmp_path / "stereo.wav", np.stack([quiet, loud], 1), RATE_HZ)
    assert load_audio(Recording(tmp_path / "stereo.wav", "stereo", "stereo"), RATE_HZ) == pytest.approx(loud, abs=1e-4)


def write_audio(root: Path, rows: list[str]) -> None:
    """Write audio/index.csv, whose rows name files of frogs/ and background/."""
    (root / "audio").mkdir()
    header = "file,class,species,group,licence,attribution"
    (root / "audio/index.csv").write_text("\n".join([header, *rows]) + "\n")


def test_audio_has_more_frogs_and_backgrounds(root: Path) -> None:
    write_audio(
        root,
        [
            "../frogs/audio/AAA_0.flac,frogs,Rana aaa,x0,CC BY-NC 4.0,somebody",
            "../background/audio/bg_0.flac,birds,,x1,MIT (repo),somebody",
            "../frogs/audio/DDD_0.flac,frog_other,Rana alia,x2,CC0,somebody",
        ],
    )
    added = [each for each in read_corpus(root).recordings if each.name.startswith("audio/")]
    assert [(each.codes, each.kind, each.group, each.held_out) for each in added] == [
        (("AAA",), "", "x0", False),
        ((), "birds", "x1", False),
    ]


def test_species_of_audio_without_a_code_is_an_error_with_the_nearest_name(root: Path) -> None:
    write_audio(root, ["../frogs/audio/AAA_0.flac,frogs,Rana aab,x0,CC0,somebody"])
    with pytest.raises(SourceError, match=r"index\.csv, line 2: species 'Rana aab' .* as in Rana aa"):
        read_corpus(root)
