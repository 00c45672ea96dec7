"""Reads which calls people confirmed or named, from the table of calls of the base station."""

import csv
from pathlib import Path
from uuid import UUID

from anura_edge.errors import ConfigError
from anura_edge.events import Verdict

COLUMNS = ("id", "verdict", "label", "Scientific name")


def read_confirmed(file: Path) -> dict[UUID, tuple[str, str]]:
    """Return label and scientific name of each confirmed or relabelled call of a table.

    The table is that of `anura-base export birdnet`, or any CSV table with the COLUMNS. Raises ConfigError.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}; write it with anura-base export birdnet") from error
    lines = csv.DictReader(text.splitlines())
    if missing := [name for name in COLUMNS if name not in (lines.fieldnames or ())]:
        raise ConfigError(f"{file}: no column {missing[0]!r}; write the table with anura-base export birdnet")
    right = (Verdict.CONFIRMED, Verdict.RELABELLED)
    try:
        return {
            UUID(line["id"]): (line["label"], line["Scientific name"]) for line in lines if line["verdict"] in right
        }
    except ValueError as error:
        raise ConfigError(f"{file}, line {lines.line_num}: the id is not one of an event") from error
