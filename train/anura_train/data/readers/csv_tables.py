"""A corpus as a folder of CSV tables, for spreadsheets, R and `anura-train fit`.

    DIR/recordings.csv   file, labels [, name, group, kind, site, night, start, licence, attribution, split, held_out]
    DIR/labels.csv       name, code, onset_s, offset_s [, low_hz, high_hz, quality]                    optional
    DIR/species.csv      code [, scientific_name, common_name, frequency]                              optional

docs/reference/datasets.md describes the columns.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field

from anura_train.data.corpus import Corpus, Quality, Recording, StrongLabel, Taxon, WeakLabel, sort_by_onset
from anura_train.data.findings import Findings
from anura_train.data.readers.csv_rows import CODE, Row, read_rows

RECORDINGS, LABELS, SPECIES = "recordings.csv", "labels.csv", "species.csv"

WEAK_LABEL = f"{CODE}(:[0-3])?"

BoxesByName = dict[str, list[StrongLabel]]
"""Recording name -> its boxes."""

TaxaByCode = dict[str, Taxon]
"""Code -> its row."""


class _RecordingRow(Row):
    file: str
    labels: Annotated[str, Field(pattern=f"^{WEAK_LABEL}( +{WEAK_LABEL})*$")] = ""
    name: str = ""
    group: str = ""
    kind: str = ""
    site: str = ""
    night: date | None = None
    start: AwareDatetime | None = None
    licence: str = ""
    attribution: str = ""
    split: str = ""
    held_out: bool = False


class _LabelRow(Row):
    name: str
    code: str = Field(pattern=f"^{CODE}$")
    onset_s: float
    offset_s: float
    low_hz: float | None = None
    high_hz: float | None = None
    quality: Quality = ""


class _SpeciesRow(Row):
    code: str = Field(pattern=f"^{CODE}$")
    scientific_name: str = ""
    common_name: str = ""
    frequency: str = ""


def read_tables(root: Path, findings: Findings) -> Corpus:
    """Read recordings.csv and, if they exist, labels.csv and species.csv."""
    species = read_species(root, findings)
    strong = _read_labels(root / LABELS, species, findings) if (root / LABELS).is_file() else {}
    recordings = read_recordings(root, strong, species, findings)
    for name in sorted(strong.keys() - {recording.name for recording in recordings}):
        findings.error(root / LABELS, f"{name!r} is not in {RECORDINGS}; correct the name or delete its rows")
    return Corpus(recordings, tuple(species.values()) or species_of(recordings))


def read_species(root: Path, findings: Findings) -> TaxaByCode:
    """Read species.csv. Without this table the result is empty, and all codes are valid."""
    species: TaxaByCode = {}
    if (root / SPECIES).is_file():
        for where, row in read_rows(root / SPECIES, _SpeciesRow, findings):
            if row.code in species:
                findings.error(where, f"code: {row.code} is listed twice; delete one of the rows")
            species.setdefault(row.code, Taxon(**row.model_dump()))
    return species


def species_of(recordings: Iterable[Recording]) -> tuple[Taxon, ...]:
    """Return a species table without names, with the codes of the recordings."""
    return tuple(Taxon(code) for code in sorted({code for recording in recordings for code in recording.codes}))


def check_code(code: str, species: TaxaByCode, where: str, findings: Findings) -> None:
    """Report a code that is not in the species table, with the most similar one in it."""
    if species and code not in species:
        near = "".join(f", as in {match}" for match in get_close_matches(code, species, 1))
        findings.error(where, f"code {code!r} is not in {SPECIES}; correct it{near}, or add it there")


def write_tables(corpus: Corpus, root: Path) -> None:
    """Write the three tables. Recordings inside the folder have relative paths, others absolute ones."""
    root.mkdir(parents=True, exist_ok=True)
    _write(root / RECORDINGS, _RecordingRow, (_recording_cells(each, root.resolve()) for each in corpus.recordings))
    labels = ({"name": each.name, **asdict(label)} for each in corpus.recordings for label in each.strong)
    _write(root / LABELS, _LabelRow, labels)
    _write(root / SPECIES, _SpeciesRow, map(asdict, corpus.species))


def read_recordings(root: Path, strong: BoxesByName, species: TaxaByCode, findings: Findings) -> tuple[Recording, ...]:
    """Read recordings.csv; `strong` has the boxes of the recordings."""
    recordings: dict[str, Recording] = {}
    ungrouped = 0
    for where, row in read_rows(root / RECORDINGS, _RecordingRow, findings, ("labels",)):
        name = row.name or row.file
        if name in recordings:
            findings.error(where, f"name: {name} is listed twice; delete one of the rows")
            continue
        ungrouped += not row.group
        weak = tuple(_weak(row.labels))
        for label in weak:
            check_code(label.code, species, where, findings)
        recordings[name] = Recording(
            path=root / row.file,
            name=name,
            group=row.group or name,
            weak=weak,
            strong=sort_by_onset(strong.get(name, ())),
            **row.model_dump(exclude={"file", "name", "group", "labels"}),
        )
    if ungrouped:
        findings.warning(
            root / RECORDINGS,
            f"{ungrouped} without a group, so a split may separate them; give all of one session the same group",
        )
    return tuple(recordings.values())


def _read_labels(table: Path, species: TaxaByCode, findings: Findings) -> BoxesByName:
    strong: BoxesByName = defaultdict(list)
    for where, row in read_rows(table, _LabelRow, findings):
        check_code(row.code, species, where, findings)
        try:
            label = StrongLabel(**row.model_dump(exclude={"name"}))
        except ValueError as error:
            findings.error(where, f"{row.name}, {row.code}: {error}")
            continue
        if label in strong[row.name]:
            findings.error(where, f"{row.name}, {row.code}: this box is listed twice; delete one of the rows")
        else:
            strong[row.name].append(label)
    return strong


def _weak(cell: str) -> Iterator[WeakLabel]:
    """Parse `ACRCRE HYLCIN:2`: codes with an optional calling index. Index 0 means no call and gives no label."""
    for word in cell.split():
        code, _, index = word.partition(":")
        if index != "0":
            yield WeakLabel(code, int(index) if index else None)


def _recording_cells(recording: Recording, home: Path) -> dict[str, object]:
    weak = (label.code + (f":{label.calling_index}" if label.calling_index else "") for label in recording.weak)
    path = recording.path.resolve()
    file = path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)
    cells = {column: getattr(recording, column, "") for column in _RecordingRow.model_fields}
    return {**cells, "file": file, "labels": " ".join(weak)}


def _write(table: Path, row_type: type[Row], rows: Iterable[dict[str, object]]) -> None:
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row_type.model_fields), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
