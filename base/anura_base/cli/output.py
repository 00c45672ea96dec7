"""Tables on the terminal, or JSON."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import Row


def print_rows(rows: Iterable[Row[*tuple[Any, ...]]], columns: tuple[str, ...], as_json: bool) -> None:
    """Print rows of the database."""
    print_records([dict(row._mapping) for row in rows], columns, as_json)


def print_records(records: Sequence[Mapping[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    """Print values by column."""
    if as_json:
        typer.echo(json.dumps(records, default=lambda moment: moment.isoformat()))
        return
    table = Table(*(column.removesuffix("_utc") for column in columns), box=None)
    for record in records:
        table.add_row(*(_text(record[column]) for column in columns))
    Console().print(table)


@contextmanager
def progress_bar(what: str, is_shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal. Yield the function that takes how many rows of how many are done."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not (is_shown and console.is_terminal)) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, rows: bars.update(task, completed=done, total=rows)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M UTC")
    return "" if value is None else str(value)
