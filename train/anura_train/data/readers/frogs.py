"""Frogs, backgrounds and ESC-10 in one folder: the layout of this project's own data.

    DIR/frogs/frogs.csv              file, code, species, group, licence, attribution   one species per recording (weak)
    DIR/background/background.csv    file, kind, group, licence, attribution            no frog of our labels
    DIR/esc10/esc10.csv              file, label                                        ESC-10 (Piczak 2015), CC BY 3.0
    DIR/audio/index.csv              file, class, species, group, licence, attribution  optional: frogs and backgrounds

Paths in a table are relative to it.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from pydantic import Field

from anura_train.data.corpus import Corpus, Recording, Taxon, WeakLabel
from anura_train.data.findings import Findings
from anura_train.data.readers.csv_rows import CODE, Row, read_rows
from anura_train.data.readers.filenames import source_of
from anura_train.data.species_names import COMMON_NAMES, current_names

FREE_LICENCES = ("US public domain", "CC0", "CC BY 3.0", "CC BY 4.0")
"""Recordings under these licences may be published. Other recordings of `background/` are held out: they only measure
false alarms."""

OTHER_FROGS = "frog_other"
"""Class of frogs that no code of `frogs/` stands for. They are neither labels nor backgrounds, so they are not read."""

ESC10_KINDS = {
    "Baby cry": "people",
    "Person sneeze": "people",
    "Chainsaw": "engines",
    "Helicopter": "engines",
    "Rain": "rain",
    "Rooster": "birds",
    "Sea waves": "water",
}
"""Kinds of background that classes of ESC-10 belong to; the others are `other`."""

REMEDY = "name the folder that holds frogs/frogs.csv"


class _FrogRow(Row):
    file: str
    code: str = Field(pattern=f"^{CODE}$")
    species: str
    group: str
    licence: str
    attribution: str = ""


class _BackgroundRow(Row):
    file: str
    kind: str
    group: str
    licence: str
    attribution: str = ""


class _Esc10Row(Row):
    file: str
    label: str


class _AudioRow(Row):
    file: str
    kind: str = Field(alias="class")
    species: str = ""
    group: str
    licence: str
    attribution: str = ""


def read_frogs(root: Path, findings: Findings) -> Corpus:
    """Read the tables under a folder."""
    species: dict[str, str] = {}
    frogs = tuple(_frogs(root, species, findings))
    recordings = (
        *frogs,
        *_backgrounds(root, findings),
        *_esc10(root, findings),
        *_audio(root, species, findings),
    )
    return Corpus(
        recordings=tuple(_unique(recordings, findings)),
        species=tuple(Taxon(code, name, COMMON_NAMES.get(code, "")) for code, name in sorted(species.items())),
    )


def _frogs(root: Path, species: dict[str, str], findings: Findings) -> Iterator[Recording]:
    table = root / "frogs/frogs.csv"
    for where, row in read_rows(table, _FrogRow, findings, ("attribution",), REMEDY):
        if species.setdefault(row.code, row.species) != row.species:
            findings.error(where, f"{row.code} is {row.species!r} here and {species[row.code]!r} above; choose one")
        yield Recording(
            path=table.parent / row.file,
            name=f"frogs/{row.file}",
            group=row.group,
            weak=(WeakLabel(row.code),),
            licence=row.licence,
            attribution=row.attribution,
        )


def _backgrounds(root: Path, findings: Findings) -> Iterator[Recording]:
    table = root / "background/background.csv"
    for _, row in read_rows(table, _BackgroundRow, findings, ("attribution",), REMEDY):
        yield Recording(
            path=table.parent / row.file,
            name=f"background/{row.file}",
            group=row.group,
            kind=row.kind,
            licence=row.licence,
            attribution=row.attribution,
            held_out=row.licence not in FREE_LICENCES,
        )


def _esc10(root: Path, findings: Findings) -> Iterator[Recording]:
    table = root / "esc10/esc10.csv"
    for _, row in read_rows(table, _Esc10Row, findings, remedy=REMEDY):
        yield Recording(
            path=table.parent / row.file,
            name=f"esc10/{row.file}",
            group=source_of(row.file),
            kind=ESC10_KINDS.get(row.label, "other"),
            licence="CC BY 3.0",
            attribution="ESC-10, K. J. Piczak",
        )


def _audio(root: Path, species: dict[str, str], findings: Findings) -> Iterator[Recording]:
    table = root / "audio/index.csv"
    codes = {name: code for code, own in species.items() for name in (own, *current_names(code, own))}
    rows = read_rows(table, _AudioRow, findings, ("species", "attribution")) if table.is_file() else ()
    for where, row in rows:
        if row.kind == OTHER_FROGS:
            continue
        if row.kind == "frogs" and row.species not in codes:
            near = "".join(f", as in {name}" for name in get_close_matches(row.species, codes, 1))
            findings.error(where, f"species {row.species!r} is not in frogs/frogs.csv; correct it{near}")
            continue
        is_frog = row.kind == "frogs"
        yield Recording(
            path=table.parent / row.file,
            name=f"audio/{row.file}",
            group=row.group,
            weak=(WeakLabel(codes[row.species]),) if is_frog else (),
            kind="" if is_frog else row.kind,
            licence=row.licence,
            attribution=row.attribution,
        )


def _unique(recordings: tuple[Recording, ...], findings: Findings) -> Iterator[Recording]:
    """Yield the first of all rows with the same file; a table may list several excerpts of it."""
    seen: dict[str, Recording] = {}
    for recording in recordings:
        first = seen.setdefault(recording.name, recording)
        if first is recording:
            yield recording
        elif (first.group, first.codes) != (recording.group, recording.codes):
            findings.error(recording.name, "is listed twice, with two groups or species; delete one of the rows")
        else:
            findings.warning(recording.name, "is listed twice; the first row is used")
