"""CSV tables: valid rows are yielded, each invalid one becomes an error with its line and column."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from anura_train.data.findings import Findings

CODE = r"[A-Za-z0-9_-]{1,32}"
"""Pattern of a species code: the code becomes a label in messages to the base station."""


_ESCAPED_FORMULA = re.compile(r"^'(?=[=+@-])")
"""The base station writes an apostrophe before a cell that a spreadsheet program would run as a formula."""


def is_code(text: str) -> bool:
    """Return whether a text is a valid species code."""
    return re.fullmatch(CODE, text) is not None


class Row(BaseModel):
    """Base of the rows of a table. Further columns, such as durations and original rates, are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_cells(cls, row: dict[str, str]) -> dict[str, str]:
        return {column: cell for column, cell in row.items() if cell.strip()}


R = TypeVar("R", bound=Row)


def read_rows(
    table: Path, row_type: type[R], findings: Findings, needed: tuple[str, ...] = (), remedy: str = ""
) -> Iterator[tuple[str, R]]:
    """Yield each valid row with its location, `FILE, line N`.

    `needed` are columns that must exist but may have empty cells; `remedy` ends the error about a table that cannot be
    read. Cells are separated by commas, semicolons or tabs.
    """
    for where, cells in read_cells(table, findings, (*required_columns(row_type), *needed), remedy):
        try:
            yield where, row_type.model_validate(cells)
        except ValidationError as error:
            for each in error.errors():
                column = f"{each['loc'][0]}: " if each["loc"] else ""
                findings.error(where, f"{column}{_reason(each)}; correct the row or delete it")


def read_cells(
    table: Path, findings: Findings, needed: tuple[str, ...], remedy: str = ""
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the cells of each row by column, with its location. A table without a needed column yields nothing."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except OSError as error:
        findings.error(f"cannot read {table}", f"{error.strerror}; {remedy or 'name a folder that holds it'}")
        return
    except UnicodeDecodeError as error:
        findings.error(table, f"is not UTF-8 ({error.reason} at byte {error.start}); save it as CSV UTF-8")
        return
    header = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    try:
        columns = reader.fieldnames or ()
        if missing := [column for column in needed if column not in columns]:
            names, found = ", ".join(map(repr, missing)), ", ".join(columns) or "nothing"
            findings.error(f"{table}, line 1", f"no column {names} (found {found}); add it")
            return
        for row in reader:
            where = f"{table}, line {reader.line_num}"
            # csv stores surplus cells under the column None, and None for missing cells.
            if None in (*row.keys(), *row.values()):
                findings.error(where, f"not the {len(columns)} cells of line 1; correct the row")
            else:
                yield where, {column: _ESCAPED_FORMULA.sub("", cell) for column, cell in row.items()}
    except csv.Error as error:
        # line_num does not count the invalid line yet.
        findings.error(f"{table}, line {reader.line_num + 1}", f"{error}; save it as CSV UTF-8")


def required_columns(row_type: type[Row]) -> tuple[str, ...]:
    """Return the columns of a row without a default."""
    return tuple(field.alias or name for name, field in row_type.model_fields.items() if field.is_required())


def _reason(error: ErrorDetails) -> str:
    found = error["input"]
    shown = f" (found {found!r})" if isinstance(found, str) else ""
    return error["msg"] + shown
