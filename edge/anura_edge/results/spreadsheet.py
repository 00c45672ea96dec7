"""CSV tables that are safe to open in a spreadsheet program."""

import csv
import io
from collections.abc import Iterable, Sequence

Cell = str | int | float

_FORMULA_STARTS = ("=", "+", "-", "@")


def escape_formula(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet program runs as a formula, and that has no line break.

    Text from a device may begin with one of the characters that begin a formula (OWASP, CSV injection). It gets a
    leading apostrophe.
    """
    if not isinstance(cell, str):
        return cell
    if not cell.isprintable():  # line breaks and tabs are not printable
        cell = cell.replace("\r", " ").replace("\n", " ").replace("\t", " ")
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a CSV table with escaped cells."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([escape_formula(cell) for cell in row] for row in rows)
    return text.getvalue()
