"""A folder of recordings with a label file beside each: Raven selection tables, or Audacity label tracks.

DIR/**/STEM.wav                 or any other format that libsndfile reads
DIR/**/STEM[.anything].txt      its labels; an empty track says that nothing called
DIR/recordings.csv              may tell group, site, licence and so on, as in `folder.py`
DIR/species.csv                 may tell the codes that there are
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import soundfile

from anura_train.data.audacity import read_audacity
from anura_train.data.corpus import Corpus, Recording, StrongLabel
from anura_train.data.findings import Findings
from anura_train.data.folder import (
    LABELS,
    RECORDINGS,
    SPECIES,
    Species,
    check_code,
    read_recordings,
    read_species,
    species_of,
)
from anura_train.data.names import night_of, site_and_time
from anura_train.data.raven import SPECIES_COLUMNS, Selection, read_raven
from anura_train.data.tables import is_code

AUDIO = {f".{name.lower()}" for name in soundfile.available_formats()} | {".aif", ".oga"}

ReadLabels = Callable[[Path, Findings], Iterable[Selection]]


def read_raven_folder(root: Path, findings: Findings) -> Corpus:
    """Read a folder of recordings and Raven selection tables."""
    return _read(root, (".txt", ".tsv", ".csv"), read_raven, findings)


def read_audacity_folder(root: Path, findings: Findings) -> Corpus:
    """Read a folder of recordings and Audacity label tracks."""
    return _read(root, (".txt",), _audacity, findings)


def _audacity(track: Path, findings: Findings) -> Iterator[Selection]:
    for where, label in read_audacity(track, findings.fault):
        yield Selection(where, "", label)


def _read(root: Path, suffixes: tuple[str, ...], read_labels: ReadLabels, findings: Findings) -> Corpus:
    species = read_species(root, findings)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    if (root / RECORDINGS).is_file():
        recordings = read_recordings(root, {}, species, findings)
        known = {each.path for each in recordings}
    else:
        recordings = tuple(_unlisted(path, root) for path in files if path.suffix.lower() in AUDIO)
        known = set()
    if not recordings:
        findings.fault(root, "holds no recording; name the folder with the sound and its labels")
    boxes = _Boxes({each.path: each for each in recordings})
    for table in files:
        if table.suffix.lower() in suffixes and table.name not in (RECORDINGS, LABELS, SPECIES):
            known |= {own.path for own in boxes.of_track(table)}
            for selection in read_labels(table, findings):
                boxes.place(table, selection, species, findings)
    for path in sorted(boxes.recordings.keys() - known - boxes.placed.keys()):
        findings.fault(path, "has no labels; make an empty label file if nothing calls, or move it away")
    labelled = tuple(replace(each, strong=boxes.of(each)) for each in recordings)
    return Corpus(labelled, tuple(species.values()) or species_of(labelled))


def _unlisted(path: Path, root: Path) -> Recording:
    """Return what a recording's name tells of it; it is a group of its own."""
    site, local = site_and_time(path.stem)
    name = path.relative_to(root).as_posix()
    return Recording(path, name, group=name, site=site, night=night_of(local))


class _Boxes:
    """Finds the recording that each label belongs to."""

    def __init__(self, recordings: dict[Path, Recording]) -> None:
        self.recordings = recordings
        self.placed: dict[Path, list[StrongLabel]] = {}

    def of(self, recording: Recording) -> tuple[StrongLabel, ...]:
        """Return a recording's labels in order of onset."""
        return tuple(sorted(self.placed.get(recording.path, ()), key=lambda label: (label.onset_s, label.code)))

    def of_track(self, table: Path) -> list[Recording]:
        """Return the recording that a label file is named after, `STEM.txt` or `STEM.Table.1.selections.txt`."""
        named = [each for each in self.recordings.values() if table.name.startswith(f"{each.path.stem}.")]
        return sorted(named, key=lambda each: (each.path.parent == table.parent, len(each.path.stem)))[-1:]

    def place(self, table: Path, selection: Selection, species: Species, findings: Findings) -> None:
        """Give a label to its recording, which also tells the species where the table does not."""
        where, label = selection.where, selection.label
        if selection.file:
            found = [each for each in self.recordings.values() if each.path.name == selection.file]
        else:
            found = self.of_track(table)
        if not found:
            return findings.fault(where, f"no recording {selection.file or table.stem!r}; copy it or delete the row")
        recording = found[0]
        if not label.code and len(recording.codes) == 1:
            label = replace(label, code=recording.codes[0])
        if is_code(label.code):
            check_code(label.code, species, where, findings)
        else:
            columns = ", ".join(SPECIES_COLUMNS)
            remedy = f"add one, or give {recording.name} its species in {RECORDINGS}"
            findings.fault(where, f"no species in one of the columns {columns}; {remedy}")
        return self.placed.setdefault(recording.path, []).append(label)
