"""Trainings in processes of their own, on whatever computes there."""

import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from multiprocessing import active_children, get_context, parent_process
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


class Accelerator(StrEnum):
    """What computes."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Precision(StrEnum):
    """How numbers are kept while a network learns; weights are always 32 bits."""

    FULL = "32-true"
    MIXED = "bf16-mixed"


MAX_WORKERS = 8

_news: "Queue[ProgressUpdate]"
"""Where the training in this process tells how far it is."""


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """Where trainings are done."""

    accelerator: Accelerator = Accelerator.AUTO
    devices: int = 1
    """Devices that share one training."""
    precision: Precision = Precision.FULL
    tensorboard: bool = False
    workers: int | None = None
    """Threads that make examples ahead of a training; by default none for a CPU, which has the time to make them."""

    def fabric(self) -> Fabric:
        """Return what moves tensors and gradients; ConfigError when the machine lacks the devices."""
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
    """One training: of a fold of a recipe, or the final one."""

    name: str
    """What people are told of it."""
    recipe: Recipe
    data: Path
    out: Path
    fold: int | None
    teachers: tuple[Path, ...] = ()
    """Folders of what it is distilled from."""


def train_all(tasks: Sequence[TrainingTask], place: ComputeSettings, jobs: int) -> None:
    """Do trainings in processes of their own, so many at a time; raise what the first of them to fail raised."""
    # Spawned, not forked: a forked torch may wait for ever on threads that the fork left behind.
    context = get_context("spawn")
    news: Queue[ProgressUpdate] = context.Queue()  # type: ignore[assignment]  # it has a queue's methods
    with ProcessPoolExecutor(jobs, context, initializer=_tell, initargs=(news,)) as pool:
        try:
            show_progress([pool.submit(_train_here, task, place) for task in tasks], news)
        except BaseException:
            # What the others have done is kept.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                process.terminate()
            raise


def train_one(task: TrainingTask, place: ComputeSettings, news: "Queue[ProgressUpdate]") -> None:
    """Do a training here."""
    place.fabric().launch(partial(_train, task=task, place=place, news=news))


def _tell(news: "Queue[ProgressUpdate]") -> None:
    """Take what a process tells its news to. A queue can be given to a process at its birth alone."""
    global _news
    _news = news


def _train_here(task: TrainingTask, place: ComputeSettings) -> None:
    train_one(task, place, _news)


def _train(fabric: Fabric, task: TrainingTask, place: ComputeSettings, news: "Queue[ProgressUpdate]") -> None:
    torch.set_num_threads(1)
    name = f"{task.name}, {'final' if task.fold is None else f'fold {task.fold}'}"
    parent = parent_process()

    def on_step(step: Step) -> None:
        if parent and not parent.is_alive():
            # Nobody is left to train for; who gives the command again must not meet a second training here.
            os.kill(os.getpid(), signal.SIGKILL)
        if fabric.is_global_zero:
            news.put(ProgressUpdate(name, step))

    ahead = 0 if fabric.device.type == "cpu" else min(MAX_WORKERS, os.cpu_count() or 1)
    workers = ahead if place.workers is None else place.workers
    corpus, bench = read_corpus(task.data), RunContext(task.out, fabric, place.tensorboard, workers=workers)
    if task.fold is None:
        fit_final(task.recipe, corpus, bench, on_step, task.teachers)
    else:
        fit_fold(task.recipe, corpus, task.fold, bench, on_step, task.teachers)
