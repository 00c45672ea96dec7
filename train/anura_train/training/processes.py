"""Runs trainings in separate processes, on CPUs or GPUs."""

import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from multiprocessing import active_children, parent_process
from pathlib import Path
from queue import Queue

import torch
from lightning_fabric import Fabric

from anura_edge.errors import ConfigError
from anura_train.data import read_corpus
from anura_train.recipe import Recipe
from anura_train.training.folds import RunContext, fit_final, fit_fold
from anura_train.training.loop import Step
from anura_train.training.progress import ProgressUpdate, show_progress
from anura_train.worker_processes import worker_context


class Accelerator(StrEnum):
    """The kind of processor that trains."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Precision(StrEnum):
    """Precision of the computation in training; weights always have 32 bits."""

    FULL = "32-true"
    MIXED = "bf16-mixed"


MAX_WORKERS = 8

_updates: "Queue[ProgressUpdate]"
"""Queue to which the training in this process reports its progress."""


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """Where and how trainings compute."""

    accelerator: Accelerator = Accelerator.AUTO
    devices: int = 1
    """Devices that share one training."""
    precision: Precision = Precision.FULL
    tensorboard: bool = False
    workers: int | None = None
    """Threads that make examples ahead of a training; None means MAX_WORKERS for a GPU and none for a CPU."""

    def fabric(self) -> Fabric:
        """Return the Fabric that moves tensors and gradients; ConfigError when the machine lacks the devices."""
        if self.accelerator is Accelerator.CUDA and torch.cuda.device_count() < self.devices:
            raise ConfigError(f"{torch.cuda.device_count()} GPUs found, {self.devices} wanted; lower --devices")
        strategy = "auto" if self.devices == 1 else "ddp_spawn"
        return Fabric(
            accelerator=self.accelerator.value,
            strategy=strategy,
            devices=self.devices,
            precision=self.precision.value,
        )


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """One training of a recipe: of a fold, or the final one."""

    name: str
    """Shown with the progress."""
    recipe: Recipe
    data: Path
    out: Path
    fold: int | None
    """None for the final training."""
    teachers: tuple[Path, ...] = ()
    """Folders of the teachers' trainings."""


def train_all(tasks: Sequence[TrainingTask], settings: ComputeSettings, jobs: int) -> None:
    """Run trainings in separate processes, `jobs` at a time; raise the exception of the first one that fails."""
    context = worker_context(__name__)
    updates: Queue[ProgressUpdate] = context.Queue()  # type: ignore[assignment]  # it has a queue's methods
    with ProcessPoolExecutor(jobs, context, initializer=_set_queue, initargs=(updates,)) as pool:
        try:
            show_progress([pool.submit(_train_here, task, settings) for task in tasks], updates)
        except BaseException:
            # The checkpoints of the other trainings remain.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                process.terminate()
            raise


def train_one(task: TrainingTask, settings: ComputeSettings, updates: "Queue[ProgressUpdate]") -> None:
    """Run a training in this process, and in more if several devices share it."""
    settings.fabric().launch(partial(_train, task=task, settings=settings, updates=updates))


def _set_queue(updates: "Queue[ProgressUpdate]") -> None:
    """Set the queue of this process. A queue can be passed to a process only when the process starts."""
    global _updates
    _updates = updates


def _train_here(task: TrainingTask, settings: ComputeSettings) -> None:
    train_one(task, settings, _updates)


def _train(fabric: Fabric, task: TrainingTask, settings: ComputeSettings, updates: "Queue[ProgressUpdate]") -> None:
    torch.set_num_threads(1)
    name = f"{task.name}, {'final' if task.fold is None else f'fold {task.fold}'}"
    parent = parent_process()

    def on_step(step: Step) -> None:
        if parent and not parent.is_alive():
            # The command was killed. If it is started again, it must not find a second training here.
            os.kill(os.getpid(), signal.SIGKILL)
        if fabric.is_global_zero:
            updates.put(ProgressUpdate(name, step))

    default_workers = 0 if fabric.device.type == "cpu" else min(MAX_WORKERS, os.cpu_count() or 1)
    workers = default_workers if settings.workers is None else settings.workers
    corpus, context = read_corpus(task.data), RunContext(task.out, fabric, settings.tensorboard, workers=workers)
    if task.fold is None:
        fit_final(task.recipe, corpus, context, on_step, task.teachers)
    else:
        fit_fold(task.recipe, corpus, task.fold, context, on_step, task.teachers)
