"""Shows the progress of trainings in several processes: bars on a terminal, otherwise a line at intervals."""

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
"""Steps between two lines where there is no terminal."""

POLL_INTERVAL_S = 0.2


@dataclass(frozen=True, slots=True)
class ProgressUpdate:
    """A step of a training."""

    name: str
    step: Step


def show_progress(running: Iterable[Future[None]], updates: "Queue[ProgressUpdate]") -> None:
    """Show updates until all trainings have ended; raise the exception of the first one that fails."""
    remaining = set(running)
    with ProgressDisplay() as display:
        while remaining:
            done, remaining = wait(remaining, POLL_INTERVAL_S)
            display.show(updates)
            for each in done:
                each.result()
        display.show(updates)


class ProgressDisplay:
    """A bar for each training on a terminal, otherwise lines on standard error."""

    def __init__(self) -> None:
        name, loss = TextColumn("{task.description}"), TextColumn("loss {task.fields[loss]:.3f}")
        columns = (name, BarColumn(), MofNCompleteColumn(), loss, TimeRemainingColumn())
        self.terminal = sys.stderr.isatty()
        self.progress = Progress(*columns, console=Console(stderr=True), disable=not self.terminal)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Start drawing."""
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing and restore the terminal."""
        self.progress.stop()

    def show(self, updates: "Queue[ProgressUpdate]") -> None:
        """Show all updates that are in the queue."""
        with suppress(Empty):
            while True:
                update = updates.get_nowait()
                (self._draw if self.terminal else _print_line)(update)

    def _draw(self, update: ProgressUpdate) -> None:
        step = update.step
        if update.name not in self.tasks:
            self.tasks[update.name] = self.progress.add_task(update.name, total=step.of, loss=step.loss)
        self.progress.update(self.tasks[update.name], completed=step.number, loss=step.loss)


def _print_line(update: ProgressUpdate) -> None:
    step = update.step
    if step.number % LINE_INTERVAL_STEPS == 0 or step.number == step.of:
        typer.echo(f"{update.name}: step {step.number} of {step.of}, loss {step.loss:.3f}", err=True)
