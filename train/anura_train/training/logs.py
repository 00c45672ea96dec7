"""Where a training's steps are written down: a table and the time always, TensorBoard if asked for."""

import csv
import time
from pathlib import Path
from typing import Protocol

from anura_edge.errors import ConfigError, SourceError
from anura_train.training.loop import Step

COLUMNS = ("step", "loss", "learning_rate", "micro_f1")


class Log(Protocol):
    """Something that steps are written to."""

    def write(self, step: Step) -> None:
        """Write a step. After a kill the first one may be earlier than the last one written: it takes its place."""


class CsvLog:
    """A table with a line a step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun = False

    def write(self, step: Step) -> None:
        """Write a step."""
        if not self.begun:
            self._begin(step.number)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([step.number, step.loss, step.learning_rate, step.micro_f1])

    def _begin(self, number: int) -> None:
        """Keep what was written of earlier steps, if anything was."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_text(encoding="utf-8").splitlines()[1:] if self.path.exists() else []
        earlier = [line for line in lines if line.split(",")[0].isdigit() and int(line.split(",")[0]) < number]
        young = self.path.with_suffix(".new")
        young.write_text("\r\n".join([",".join(COLUMNS), *earlier, ""]), encoding="utf-8", newline="")
        young.replace(self.path)
        self.begun = True


class CpuTimeLog:
    """The core-seconds that a training has taken, in a file; one that is taken up again goes on counting.

    Of the processor, so that what else the machine does is not counted; who waits for a GPU keeps a core busy, too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun_s = time.process_time()
        self.begun = False

    def write(self, step: Step) -> None:
        """Write down the time."""
        if not self.begun and step.number > 1:
            self.begun_s -= read_cpu_seconds(self.path)
        self.begun = True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(f"{time.process_time() - self.begun_s:.3f}\n", encoding="utf-8")


def read_cpu_seconds(path: Path) -> float:
    """Return what a stopwatch wrote; SourceError when it did not."""
    try:
        return float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path} tells no time: {error}; delete its folder and run `anura-train fit` again"
        ) from error


class TensorBoardLog:
    """Files that TensorBoard shows."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError("TensorBoard is not installed: pip install 'anura-edge[tensorboard]'") from error
        self._open = lambda step: SummaryWriter(str(folder), purge_step=step)
        self._writer: SummaryWriter | None = None

    def write(self, step: Step) -> None:
        """Write a step."""
        self._writer = self._writer or self._open(step.number)  # type: ignore[no-untyped-call]
        for name, value in (("loss", step.loss), ("learning_rate", step.learning_rate), ("micro_f1", step.micro_f1)):
            if value is not None:
                self._writer.add_scalar(name, value, step.number)
        self._writer.flush()
