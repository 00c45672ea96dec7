"""How far trainings in several processes are: bars on a terminal, a line now and then elsewhere."""

import sys
from collections.abc import Iterable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from anura_train.training.loop import Step

LINE_INTERVAL_STEPS = 50
"""Steps from line to line where there is no terminal."""

POLL_INTERVAL_S = 0.2


@dataclass(frozen=True, slots=True)
class ProgressUpdate:
    """A training's step."""

    name: str
    step: Step


def show_progress(running: Iterable[Future[None]], news: "Queue[ProgressUpdate]") -> None:
    """Show news until all trainings have ended; raise what the first of them to fail raised."""
    left = set(running)
    with ProgressDisplay() as bars:
        while left:
            done, left = wait(left, POLL_INTERVAL_S)
            bars.show(news)
            for each in done:
                each.result()
        bars.show(news)


class ProgressDisplay:
    """A bar for each training where a person looks on; lines in a log."""

    def __init__(self) -> None:
        name, loss = TextColumn("{task.description}"), TextColumn("loss {task.fields[loss]:.3f}")
        columns = (name, BarColumn(), MofNCompleteColumn(), loss, TimeRemainingColumn())
        self.terminal = sys.stderr.isatty()
        self.progress = Progress(*columns, console=Console(stderr=True), disable=not self.terminal)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Begin to draw."""
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was found."""
        self.progress.stop()

    def show(self, news: "Queue[ProgressUpdate]") -> None:
        """Show all news that have come."""
        with suppress(Empty):
            while True:
                one = news.get_nowait()
                (self._draw if self.terminal else _say)(one)

    def _draw(self, news: ProgressUpdate) -> None:
        step = news.step
        if news.name not in self.tasks:
            self.tasks[news.name] = self.progress.add_task(news.name, total=step.of, loss=step.loss)
        self.progress.update(self.tasks[news.name], completed=step.number, loss=step.loss)


def _say(news: ProgressUpdate) -> None:
    step = news.step
    if step.number % LINE_INTERVAL_STEPS == 0 or step.number == step.of:
        typer.echo(f"{news.name}: step {step.number} of {step.of}, loss {step.loss:.3f}", err=True)
