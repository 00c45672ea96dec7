"""A folder of recordings, each with a label file: a Raven selection table or an Audacity label track.

DIR/**/STEM.wav                 or another format of libsndfile
DIR/**/STEM[.anything].txt      its labels; an empty track means that nothing calls
DIR/recordings.csv              optional: group, site, licence and so on, as in `csv_tables.py`
DIR/species.csv                 optional: the valid codes
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import soundfile

from anura_train.data.corpus import Corpus, Recording, StrongLabel, sort_by_onset
from anura_train.data.findings import Findings
from anura_train.data.readers.audacity import read_audacity
from anura_train.data.readers.csv_rows import is_code
from anura_train.data.readers.csv_tables import (
    LABELS,
    RECORDINGS,
    SPECIES,
    TaxaByCode,
    check_code,
    read_recordings,
    read_species,
    species_of,
)
from anura_train.data.readers.filenames import night_of, site_and_time
from anura_train.data.readers.raven import SPECIES_COLUMNS, Selection, read_raven

AUDIO = {f".{name.lower()}" for name in soundfile.available_formats()} | {".aif", ".oga"}

ReadLabels = Callable[[Path, Findings], Iterable[Selection]]


def read_raven_folder(root: Path, findings: Findings) -> Corpus:
    """Read a folder of recordings and Raven selection tables."""
    return _read(root, (".txt", ".tsv", ".csv"), read_raven, findings)


def read_audacity_folder(root: Path, findings: Findings) -> Corpus:
    """Read a folder of recordings and Audacity label tracks."""
    return _read(root, (".txt",), _audacity, findings)


def _audacity(track: Path, findings: Findings) -> Iterator[Selection]:
    for where, label in read_audacity(track, findings.error):
        yield Selection(where, "", label)


def _read(root: Path, suffixes: tuple[str, ...], read_labels: ReadLabels, findings: Findings) -> Corpus:
    species = read_species(root, findings)
    # macOS adds a file `._NAME` for each file that it copies to a card.
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    if (root / RECORDINGS).is_file():
        recordings = read_recordings(root, {}, species, findings)
        labelled = {each.path for each in recordings}
    else:
        recordings = tuple(_from_file_name(path, root) for path in files if path.suffix.lower() in AUDIO)
        labelled = set()
    if not recordings:
        findings.error(root, "contains no recording; name the folder with the audio and its labels")
    by_name, boxes = _by_name(recordings), defaultdict[Path, list[StrongLabel]](list)
    for table in files:
        if table.suffix.lower() not in suffixes or table.name in (RECORDINGS, LABELS, SPECIES):
            continue
        own = _find(_possible_stems(table), table, by_name)
        labelled |= {each.path for each in own[:1]}
        for selection in read_labels(table, findings):
            found = _find([selection.file], table, by_name) if selection.file else own
            if len(found) == 1:
                boxes[found[0].path].append(_with_code(selection, found[0], species, findings))
            else:
                problem = f"{'several recordings' if found else 'no recording'} {selection.file or table.stem!r}"
                findings.error(
                    selection.where, f"{problem}; keep recordings and labels in one folder, or delete the row"
                )
    for path in sorted({each.path for each in recordings} - labelled - boxes.keys()):
        findings.error(path, "has no labels; make an empty label file if nothing calls, or move it away")
    boxed = tuple(replace(each, strong=sort_by_onset(boxes[each.path])) for each in recordings)
    return Corpus(boxed, tuple(species.values()) or species_of(boxed))


def _from_file_name(path: Path, root: Path) -> Recording:
    """Return a recording with site and night from its file name; it is its own group."""
    site, local = site_and_time(path.stem)
    name = path.relative_to(root).as_posix()
    return Recording(path, name, group=name, site=site, night=night_of(local))


def _by_name(recordings: Iterable[Recording]) -> dict[str, list[Recording]]:
    """Return recordings by file name, with and without the suffix."""
    by_name = defaultdict[str, list[Recording]](list)
    for recording in recordings:
        by_name[recording.path.name].append(recording)
        by_name[recording.path.stem].append(recording)
    return by_name


def _possible_stems(table: Path) -> list[str]:
    """Return possible names of a label file's recording, the longest first: for `a.b.txt` they are `a.b` and `a`."""
    parts = table.name.split(".")
    return [".".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]


def _find(names: list[str], table: Path, by_name: dict[str, list[Recording]]) -> list[Recording]:
    """Return the recordings with the first existing name; if there are several, those in the table's folder."""
    found = next((by_name[name] for name in names if name in by_name), [])
    return [each for each in found if each.path.parent == table.parent] or found


def _with_code(selection: Selection, recording: Recording, species: TaxaByCode, findings: Findings) -> StrongLabel:
    """Return a label with its code. If the table has none, it is the only species of the recording."""
    label = selection.label
    if not label.code and len(recording.codes) == 1:
        label = replace(label, code=recording.codes[0])
    if is_code(label.code):
        check_code(label.code, species, selection.where, findings)
    else:
        columns = ", ".join(SPECIES_COLUMNS)
        remedy = f"add one, or give {recording.name} its species in {RECORDINGS}"
        findings.error(selection.where, f"no species in one of the columns {columns}; {remedy}")
    return label
