"""Compares what a device committed with what arrived at the base station."""

import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from uuid import UUID

from support import DEADLINE_S

from faultlab.servers import BATCHES, Servers


@dataclass(slots=True)
class FaultReport:
    """The result of a campaign. The counts that `violations` names must be 0."""

    crashes: int = 0
    """How often the device crashed."""
    rows: int = 0
    """Rows that the device had committed when it crashed or ended."""
    samples: int = 0
    """Audio samples, according to the headers of the files."""
    lost: int = 0
    """Committed rows that are not at the base station."""
    rolled_back: int = 0
    """Rows that the device had printed as committed and that its journal did not have after the fault."""
    unknown: int = 0
    """Rows at the base station that the device never committed."""
    duplicates: int = 0
    """Events that the base station has more than once, even under different ids."""
    unaccounted: int = 0
    """Samples that the effort at the base station does not count, or counts twice."""
    damaged_journals: int = 0
    """Journals that a device replaced because they were damaged."""
    repeats: int = 0
    """Rows that were sent again. This is harmless."""
    uncommitted: int = 0
    """Kills of a base station that had received rows and not committed them."""
    unacknowledged: int = 0
    """Kills of a base station that had committed rows and not acknowledged them."""

    def __iadd__(self, other: "FaultReport") -> "FaultReport":
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        return self

    @property
    def violations(self) -> dict[str, int]:
        """The counts that must be 0 and are not."""
        names = ("lost", "rolled_back", "unknown", "duplicates", "unaccounted", "damaged_journals")
        return {name: value for name in names if (value := getattr(self, name))}


OnProgress = Callable[[FaultReport], None]
"""Is called with the report from time to time."""


def committed_ids(state: Path, scratch: Path) -> set[UUID]:
    """Return the ids of all rows in a device's journal.

    A copy is read, because opening a journal recovers it, and the device itself must do that.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        if (state / name).exists():
            shutil.copy(state / name, scratch)
    return journal_ids(scratch / "journal.db")


def journal_ids(path: Path) -> set[UUID]:
    """Return the ids of all rows in a journal."""
    with closing(sqlite3.connect(path, timeout=DEADLINE_S)) as journal:
        assert journal.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = {name for (name,) in journal.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        queries = [f"SELECT id FROM {table}" for table in tables & BATCHES.keys()]
        return {UUID(text) for query in queries for (text,) in journal.execute(query)}


def compare(
    servers: Servers, device: str, state: Path, rows: set[UUID], header_samples: Mapping[str, int]
) -> FaultReport:
    """Compare a device with the base station: the ids that it committed, and the samples of its files."""
    at_base = servers.base.ids(device)
    calls = Counter(
        (row["recording"], row["label"], row["onset_sample"], row["model_sha256"])
        for row in servers.base.rows(device, "event")
    )
    return FaultReport(
        rows=len(rows),
        samples=sum(header_samples.values()),
        lost=len(rows - at_base.keys()),
        unknown=len(at_base.keys() - rows),
        duplicates=sum(times - 1 for times in calls.values()) + sum(times - 1 for times in at_base.values()),
        unaccounted=_unaccounted(servers, device, header_samples),
        damaged_journals=sum(1 for _ in state.glob("*corrupt*")),
        repeats=servers.monitor.repeats(device),
    )


def _unaccounted(servers: Servers, device: str, header_samples: Mapping[str, int]) -> int:
    """Count the samples that the effort does not count exactly once."""
    ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in servers.base.rows(device, "effort"):
        ranges[row["recording_name"]].append((row["first_sample"], row["first_sample"] + row["samples"]))
    wrong = 0
    for name, samples in header_samples.items():
        position = 0
        for first, end in [*sorted(ranges[name]), (samples, samples)]:
            wrong += abs(first - position)
            position = end
    return wrong
