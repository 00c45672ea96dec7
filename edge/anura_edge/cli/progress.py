"""Progress bars of scans and exports. They are shown only on a terminal, and rich is loaded only then."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from anura_edge.errors import SourceError
from anura_edge.events import EffortState
from anura_edge.sources.files.scan import FoundFile, scan
from anura_edge.sources.formats.kinds import AUDIO_SUFFIXES
from anura_edge.store.run_summary import RunSummary

T = TypeVar("T")

MIN_ROWS = 500
"""The bar moves in steps of so many rows, because to draw it for each row takes longer than to write the row."""


def with_row_progress(items: Iterable[T], total: int, rows_of: Callable[[T], int], name: str) -> Iterator[T]:
    """Yield `items`, and show which share of `total` rows is done, on stderr if it is a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task, rows = progress.add_task(name, total=total), 0
        for item in items:
            yield item
            rows += rows_of(item)
            if rows >= MIN_ROWS:
                progress.advance(task, rows)
                rows = 0


def with_progress(root: Path, files: Iterator[FoundFile], summary: RunSummary) -> Iterator[FoundFile]:
    """Yield `files`, and show below the printed lines which share of the folder's audio bytes is done.

    If stderr is no terminal, nothing is shown, and the folder's size is not computed.
    """
    if not sys.stderr.isatty():
        yield from files
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    to_terminal = sys.stdout.isatty()  # output to a file or a pipe must not pass through the bar's console
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=to_terminal) as progress:
        task = progress.add_task("searching", total=_audio_bytes(root))
        for file in files:
            progress.update(task, description=_status(summary, file))
            yield file
            progress.advance(task, _audio_size(file))


def _audio_bytes(root: Path) -> int:
    try:
        return sum(map(_audio_size, scan(root)))
    except SourceError:  # the scan itself reports it
        return 0


def _audio_size(file: FoundFile) -> int:
    return file.size if file.path.suffix.lower() in AUDIO_SUFFIXES else 0


def _status(summary: RunSummary, file: FoundFile) -> str:
    hours = summary.seconds.get(EffortState.ANALYSED, 0) / 3600
    speed = f" at {summary.times_real_time:,.0f} x real time" if summary.new else ""
    events = sum([*summary.events.values()])
    return f"{summary.new + summary.known} recordings, {hours:.1f} h{speed}, {events} events, {file.name[-40:]}"
