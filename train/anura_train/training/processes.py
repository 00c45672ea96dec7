"""Runs trainings in separate processes, on CPUs or GPUs."""

import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import active_children, parent_process
from pathlib import Path
from queue import Queue

import torch
from lightning_fabric import Fabric

from anura_edge.errors import ConfigError
from anura_train.data import read_corpus
from anura_train.recipe import Recipe
from anura_train.training.compute import MAX_WORKERS, Accelerator, ComputeSettings
from anura_train.training.folds import RunContext, fit_final, fit_fold
from anura_train.training.loop import Step
from anura_train.training.progress import ProgressUpdate, show_progress
from anura_train.worker_processes import worker_context

_updates: "Queue[ProgressUpdate]"
"""Queue to which the training in this process reports its progress."""


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


def make_fabric(settings: ComputeSettings) -> Fabric:
    """Return the Fabric that moves tensors and gradients; ConfigError when the machine lacks the devices."""
    if settings.accelerator is Accelerator.CUDA and torch.cuda.device_count() < settings.devices:
        raise ConfigError(f"{torch.cuda.device_count()} GPUs found, {settings.devices} wanted; lower --devices")
    return Fabric(
        accelerator=settings.accelerator.value,
        strategy="auto" if settings.devices == 1 else "ddp_spawn",
        devices=settings.devices,
        precision=settings.precision.value,
    )


def train_one(task: TrainingTask, settings: ComputeSettings, updates: "Queue[ProgressUpdate]") -> None:
    """Run a training in this process, and in more if several devices share it."""
    make_fabric(settings).launch(partial(_train, task=task, settings=settings, updates=updates))


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
