"""Delimited text with a header: comma-separated or tab-separated values."""

import csv
import io
from collections.abc import Iterable, Iterator

from anura_edge.results.formats.parts import CHUNK_ROWS, FilePart
from anura_edge.results.spreadsheet import Cell, escape_formula


def write_lines(header: list[str], lines: Iterable[list[Cell]], delimiter: str = ",") -> Iterator[FilePart]:
    """Yield the parts of a table, CHUNK_ROWS lines each."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    rows = 0
    for line in lines:
        writer.writerow([escape_formula(cell) for cell in line])
        rows += 1
        if rows == CHUNK_ROWS:
            yield FilePart(_take(text), rows)
            rows = 0
    yield FilePart(_take(text), rows)


def _take(text: io.StringIO) -> bytes:
    taken = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return taken
