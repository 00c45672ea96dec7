"""What a run did: counts for people and for the JSON output."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar

from anura_edge.events import EffortState
from anura_edge.wire import EffortRow, EventRow, Row

Number = TypeVar("Number", int, float)


@dataclass
class RunSummary:
    """Counts of one run. Threads may share it."""

    new: int = 0
    """Recordings analysed."""
    known: int = 0
    """Recordings that this model had analysed before."""
    other_settings: int = 0
    """Of these, recordings that it had analysed under other settings."""
    unreadable: dict[str, int] = field(default_factory=dict)
    """New files that could not be analysed, by reason."""
    known_unreadable: int = 0
    """Files that could not be analysed in an earlier run either."""
    left: dict[str, int] = field(default_factory=dict)
    """Files and folders that wait for another scan, by reason."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Audio by its state of effort."""
    gaps: int = 0
    """Pieces of audio that were dropped."""
    events: dict[str, int] = field(default_factory=dict)
    """New events by scientific name."""
    elapsed_s: float = 0.0
    """Time spent on recordings."""
    pending: int = 0
    """Rows that are not acknowledged."""
    problem: str | None = None
    """Why they wait."""

    def __post_init__(self) -> None:
        self._lock = Lock()

    @property
    def is_complete(self) -> bool:
        """Whether every recording was analysed to its end, in this run or before."""
        return not (self.unreadable or self.known_unreadable or self.left)

    @property
    def is_empty(self) -> bool:
        """Whether no recording was found."""
        return not (self.new or self.known) and self.is_complete

    @property
    def times_real_time(self) -> float:
        """Seconds of audio analysed per second of work."""
        return self.seconds.get(EffortState.ANALYSED, 0.0) / self.elapsed_s if self.elapsed_s else 0.0

    def add_new(self, elapsed_s: float) -> None:
        """Count a recording that was analysed in this run."""
        with self._lock:
            self.new += 1
            self.elapsed_s += elapsed_s

    def add_known(self, *, is_unreadable: bool, has_other_settings: bool) -> None:
        """Count a recording that was analysed before."""
        with self._lock:
            self.known += 1
            self.other_settings += has_other_settings
            self.known_unreadable += is_unreadable

    def add_rows(self, rows: Iterable[Row]) -> None:
        """Count new events and effort."""
        with self._lock:
            for row in rows:
                if isinstance(row, EventRow):
                    _add(self.events, row.scientific_name, 1)
                elif isinstance(row, EffortRow):
                    _add(self.seconds, row.state, row.samples / row.rate_hz)
                    self.gaps += row.state == EffortState.DROPPED

    def add_unreadable(self, reason: str, *, is_new: bool) -> None:
        """Count a file that cannot be analysed."""
        with self._lock:
            if is_new:
                _add(self.unreadable, reason, 1)
            else:
                self.known_unreadable += 1

    def add_left(self, reason: str, count: int = 1) -> None:
        """Count files or folders that wait for another scan."""
        with self._lock:
            _add(self.left, reason, count)

    def remove_unsaved(self, files: int) -> None:
        """Count files as left that were counted as new: the disk was full, so the next scan analyses them again."""
        if files:
            with self._lock:
                self.new -= files
                _add(self.left, "disk_full", files)

    def finish(self, pending: int, problem: str | None) -> None:
        """Record what waits at the end of the run, and why."""
        with self._lock:
            self.pending, self.problem = pending, problem


def _add(counts: dict[str, Number], key: str, amount: Number) -> None:
    counts[key] = counts.get(key, 0) + amount
