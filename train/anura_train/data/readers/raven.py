"""Raven selection tables: one selection in each row, with times in a file or in a list of files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from anura_train.data.corpus import Recording, StrongLabel
from anura_train.data.findings import Findings
from anura_train.data.readers.csv_rows import read_cells
from anura_train.data.readers.filenames import code_of

ONSET, OFFSET, LOW, HIGH = "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)"

FILE_OFFSET = "File Offset (s)"
"""Seconds from the start of the file. In a table of several files, the other times count from the first file."""

SPECIES_COLUMNS = ("Species Code", "Code", "Species", "Annotation", "Label", "Tag", "Common Name")
"""Columns that may contain the species; the first existing one is used. Raven's users choose the name."""

WRITTEN_COLUMNS = ("Selection", "View", "Channel", ONSET, OFFSET, LOW, HIGH, "Begin Path", FILE_OFFSET, "Species Code")


@dataclass(frozen=True, slots=True)
class Selection:
    """One selection: a row of a selection table."""

    where: str
    file: str
    """Name of its audio file; empty if the table has none."""
    label: StrongLabel
    """Its code is empty if the table has none."""


def read_raven(table: Path, findings: Findings) -> Iterator[Selection]:
    """Yield each selection once. Raven lists it for waveform and spectrogram; only the latter row has the band."""
    rows = list(read_cells(table, findings, (ONSET, OFFSET)))
    views = {cells.get("View", "").split(" ")[0] for _, cells in rows}
    files = {_file(cells) for _, cells in rows}
    if len(files) > 1 and FILE_OFFSET not in rows[0][1]:
        findings.error(
            f"{table}, line 1", f"several files, but no column {FILE_OFFSET!r}; add that measurement in Raven"
        )
        return
    for where, cells in rows:
        if "Spectrogram" in views and cells.get("View", "").startswith("Waveform"):
            continue
        try:
            yield Selection(where, _file(cells), _label(cells))
        except ValueError as error:
            findings.error(where, f"{error}; correct the row or delete it")


def write_raven(table: Path, recording: Recording, top_hz: float) -> None:
    """Write a recording's strong labels as a Raven table; a label without a band gets the band from 0 to `top_hz`."""
    with table.open("w", encoding="utf-8") as file:
        file.write("\t".join(WRITTEN_COLUMNS) + "\n")
        for number, label in enumerate(recording.strong, start=1):
            band = (label.low_hz or 0, label.high_hz or top_hz)
            cells = (number, "Spectrogram 1", 1, label.onset_s, label.offset_s, *band, recording.path, label.onset_s)
            file.write("\t".join(map(str, (*cells, label.code))) + "\n")


def _file(cells: dict[str, str]) -> str:
    # Many tables are written on Windows; PureWindowsPath accepts both kinds of slashes.
    return PureWindowsPath(cells.get("Begin File") or cells.get("Begin Path") or "").name


def _code(cells: dict[str, str]) -> str:
    return code_of(next((cells[column] for column in SPECIES_COLUMNS if column in cells), ""))


def _label(cells: dict[str, str]) -> StrongLabel:
    onset_s, offset_s = float(cells[ONSET]), float(cells[OFFSET])
    earlier_s = onset_s - float(cells.get(FILE_OFFSET) or onset_s)  # length of the files before this one
    return StrongLabel(
        code=_code(cells),
        onset_s=onset_s - earlier_s,
        offset_s=offset_s - earlier_s,
        low_hz=float(cells[LOW]) if cells.get(LOW) else None,
        high_hz=float(cells[HIGH]) if cells.get(HIGH) else None,
    )
