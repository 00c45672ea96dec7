"""What a training is in the middle of, kept on disk so that a kill costs some steps and changes nothing."""

import json
import math
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from anura_edge.errors import ModelError
from anura_train.data import Corpus
from anura_train.models import Net
from anura_train.models.weights import load_torch_file
from anura_train.recipe import Recipe

Weights = dict[str, Tensor]


@dataclass(slots=True, eq=False)
class TrainState:
    """Everything that changes from step to step."""

    model: Net
    average: Net
    """Of the weights; what is kept in the end, unless an earlier epoch was better."""
    optimizer: Optimizer
    schedule: LRScheduler
    rng: np.random.Generator
    """All chance in the examples, which may be made ahead. All other chance is torch's."""
    chance: dict[str, Any]
    """What the generator was like behind the examples of the last step that was done."""
    step: int = 0
    """Steps that were done."""
    best_f1: float = -math.inf
    best: Weights | None = None
    """Averaged weights at the best check, where the recipe stops early."""
    stale: int = 0
    """Checks since then."""
    finished: bool = False

    def judge(self, f1: float, patience: int) -> None:
        """Remember the weights if they are the best so far; finish when there were none for too long."""
        self.stale += 1
        if f1 > self.best_f1:
            self.best_f1, self.stale = f1, 0
            self.best = {name: value.clone() for name, value in self.average.state_dict().items()}
        self.finished = self.stale >= patience

    def result(self) -> Net:
        """Return the network to keep, in evaluation mode."""
        if self.best:
            self.average.load_state_dict(self.best)
        return self.average

    def state(self) -> dict[str, Any]:
        """Return all of it as tensors, numbers and text, which are read without running code."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "examples": json.dumps(self.chance),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "step": self.step,
            "best_f1": self.best_f1,
            "best": self.best,
            "stale": self.stale,
            "finished": self.finished,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken of."""
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.chance = json.loads(state["examples"])
        self.rng.bit_generator.state = self.chance
        torch.set_rng_state(state["torch"])
        if state["cuda"]:
            torch.cuda.set_rng_state_all(state["cuda"])
        self.step, self.stale, self.finished = state["step"], state["stale"], state["finished"]
        self.best_f1, self.best = state["best_f1"], state["best"]


def fingerprint(recipe: Recipe, learnt: Corpus, teachers_digest: str | None = None) -> str:
    """Hash what identifies a training: its recipe, and the recordings and labels that it learns from.

    The digest of its teachers, if it has any, follows after a dash.
    """
    data = [
        (each.name, each.path.stat().st_size, each.codes, each.strong) for each in learnt.frogs + learnt.backgrounds
    ]
    own = sha256(f"{recipe.model_dump_json(exclude_defaults=True)} {data}".encode()).hexdigest()
    return f"{own}-{teachers_digest}" if teachers_digest else own


def load_final_weights(path: Path, mark: str | None = None) -> Weights:
    """Read the weights that a finished training was kept with.

    Raises ModelError when there are none, or they are of another training than the fingerprint `mark` says.
    """
    try:
        kept = load_torch_file(path)
        result: Weights = kept["result"]
    except KeyError as error:
        raise ModelError(f"{path} is of a training that has not ended; run `anura-train fit` again") from error
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise ModelError(f"cannot read {path}: {error}; run `anura-train fit` first") from error
    if mark not in (None, kept["fingerprint"].partition("-")[0]):
        raise ModelError(f"{path} has learnt from other recordings, or by another recipe; run `anura-train fit` again")
    return result


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """Keeps one training in one file, which is always whole: it is replaced, never written into."""

    path: Path
    fingerprint: str
    """Of the recipe and the data. What was kept of others is not gone on with."""
    every: int = 50
    """Steps between."""

    def keep(self, training: TrainState) -> None:
        """Write the training down when it is time to."""
        if training.step % self.every == 0:
            self._write({"training": training.state()})

    def finish(self, training: TrainState) -> None:
        """Write down the result alone, which is a fourth of the state."""
        self._write({"step": training.step, "result": training.result().state_dict()})

    def restore(self, training: TrainState) -> None:
        """Bring a training to where it was kept; leave it at its beginning when nothing of it was.

        Raises ModelError for a file that cannot be read.
        """
        try:
            kept = load_torch_file(self.path)
            if kept["fingerprint"] != self.fingerprint:
                return
            if "training" in kept:
                training.restore(kept["training"])
            else:
                training.average.load_state_dict(kept["result"])
                training.step, training.finished = kept["step"], True
        except FileNotFoundError:
            return
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise ModelError(f"cannot go on from {self.path}: {error}; delete it to begin anew") from error

    def _write(self, content: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        young = self.path.with_suffix(".new")
        with young.open("wb") as file:
            torch.save({"fingerprint": self.fingerprint} | content, file)
            file.flush()
            os.fsync(file.fileno())
        young.replace(self.path)
