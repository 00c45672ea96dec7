"""Logs of a training: a CSV file and the CPU time always, TensorBoard on request."""

import csv
import time
from pathlib import Path
from typing import Protocol

from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from anura_edge.errors import ConfigError, SourceError
from anura_train.checkpoints.files import replace_file
from anura_train.training.loop import Step

COLUMNS = ("step", "loss", "learning_rate", "micro_f1")


class StepLog(Protocol):
    """A log of training steps."""

    def write(self, step: Step) -> None:
        """Write a step. After a kill, the first step may have been written before; it is then replaced."""


class CsvLog:
    """A CSV file with one line for each step.

    Unlike Fabric's CSVLogger, it keeps the lines of earlier steps when a training resumes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started = False

    def write(self, step: Step) -> None:
        """Append a step."""
        if not self.started:
            self._start(step.number)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([step.number, step.loss, step.learning_rate, step.micro_f1])

    def _start(self, first: int) -> None:
        """Write the header and the lines of the steps before the first one."""
        lines = self.path.read_text(encoding="utf-8").splitlines()[1:] if self.path.exists() else []
        earlier = [line for line in lines if line.split(",")[0].isdigit() and int(line.split(",")[0]) < first]
        with replace_file(self.path) as temporary:
            temporary.write_text("\r\n".join([",".join(COLUMNS), *earlier, ""]), encoding="utf-8", newline="")
        self.started = True


class CpuTimeLog:
    """A file with the CPU seconds of a training. A training that resumes adds to them.

    CPU time does not count other programs on the machine. Waiting for a GPU keeps one core busy and counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start_s = time.process_time()
        self.started = False

    def write(self, step: Step) -> None:
        """Write the time."""
        if not self.started and step.number > 1:
            self.start_s -= read_cpu_seconds(self.path)
        self.started = True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(f"{time.process_time() - self.start_s:.3f}\n", encoding="utf-8")


def read_cpu_seconds(path: Path) -> float:
    """Return the seconds that CpuTimeLog wrote; SourceError when the file is missing or damaged."""
    try:
        return float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path} has no CPU time: {error}; delete its folder and run `anura-train fit` again"
        ) from error


class TensorBoardLog:
    """TensorBoard files. Steps that are done again after a kill replace the earlier ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._logger: TensorBoardLogger | None = None
        self._open(first=1)

    def write(self, step: Step) -> None:
        """Write a step."""
        self._logger = self._logger or self._open(step.number)
        values = {"loss": step.loss, "learning_rate": step.learning_rate, "micro_f1": step.micro_f1}
        self._logger.log_metrics({name: value for name, value in values.items() if value is not None}, step.number)
        self._logger.experiment.flush()

    def _open(self, first: int) -> TensorBoardLogger:
        try:
            return TensorBoardLogger(self.folder, name="", version="", purge_step=first)
        except ModuleNotFoundError as error:
            raise ConfigError("TensorBoard is not installed: pip install 'anura-edge[tensorboard]'") from error
