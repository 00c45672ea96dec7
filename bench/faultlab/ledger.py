"""Books of what a device promised and what arrived."""

import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from uuid import UUID

from support import DEADLINE_S

from faultlab.field import BATCHES, Field


@dataclass(slots=True)
class Ledger:
    """What a campaign did, and what it cost; what `broken` names must be 0."""

    deaths: int = 0
    """How often the device died."""
    rows: int = 0
    """Rows that it had committed when it died, or ended."""
    samples: int = 0
    """Audio samples that the files promised."""
    lost: int = 0
    """Rows that were committed and are not at the base station."""
    forgotten: int = 0
    """Rows that the device had shown as committed, and that its journal did not have after the fault."""
    invented: int = 0
    """Rows at the base station that the device had never committed."""
    duplicates: int = 0
    """Calls that the base station has more than once, whatever their ids."""
    unaccounted: int = 0
    """Samples that the effort at the base station leaves out, or counts twice."""
    salvaged: int = 0
    """Journals that a device had to set aside as damaged."""
    repeats: int = 0
    """Rows that crossed the wire again, which is harmless."""
    uncommitted: int = 0
    """Deaths of a base station that had been sent rows which it had not committed."""
    unacknowledged: int = 0
    """Deaths of a base station that had committed rows which it had not acknowledged."""

    def __iadd__(self, other: "Ledger") -> "Ledger":
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        return self

    @property
    def broken(self) -> dict[str, int]:
        """What must be 0 and is not."""
        names = ("lost", "forgotten", "invented", "duplicates", "unaccounted", "salvaged")
        return {name: value for name in names if (value := getattr(self, name))}


Progress = Callable[[Ledger], None]
"""Is told the books from time to time."""


def committed(state: Path, scratch: Path) -> set[UUID]:
    """Return the id of every row that a device's journal has committed.

    Reads a copy: to open a journal, even for reading, does the recovery that the device itself shall do.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        if (state / name).exists():
            shutil.copy(state / name, scratch)
    return ids_in(scratch / "journal.db")


def ids_in(path: Path) -> set[UUID]:
    """Return the id of every row in a journal."""
    with closing(sqlite3.connect(path, timeout=DEADLINE_S)) as journal:
        assert journal.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = {name for (name,) in journal.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        queries = [f"SELECT id FROM {table}" for table in tables & BATCHES.keys()]
        return {UUID(text) for query in queries for (text,) in journal.execute(query)}


def settle(field: Field, device: str, state: Path, rows: set[UUID], promised: Mapping[str, int]) -> Ledger:
    """Close the books of a device: `rows` it committed, `promised` are its files with their samples."""
    at_base = field.base.ids(device)
    calls = Counter(
        (row["recording"], row["label"], row["onset_sample"], row["model_sha256"])
        for row in field.base.rows(device, "event")
    )
    return Ledger(
        rows=len(rows),
        samples=sum(promised.values()),
        lost=len(rows - at_base.keys()),
        invented=len(at_base.keys() - rows),
        duplicates=sum(times - 1 for times in calls.values()) + sum(times - 1 for times in at_base.values()),
        unaccounted=_unaccounted(field, device, promised),
        salvaged=sum(1 for _ in state.glob("*corrupt*")),
        repeats=field.wire.repeats(device),
    )


def _unaccounted(field: Field, device: str, promised: Mapping[str, int]) -> int:
    """Count the samples of which the effort does not say exactly once what became of them."""
    stretches: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in field.base.rows(device, "effort"):
        stretches[row["recording_name"]].append((row["first_sample"], row["first_sample"] + row["samples"]))
    wrong = 0
    for name, samples in promised.items():
        position = 0
        for first, end in [*sorted(stretches[name]), (samples, samples)]:
            wrong += abs(first - position)
            position = end
    return wrong
