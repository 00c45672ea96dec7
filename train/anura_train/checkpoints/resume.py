"""Checkpoints of a running training. A kill costs some steps, and does not change the result."""

import json
import math
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timm.utils import ModelEmaV3
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from anura_edge.errors import ModelError
from anura_train.checkpoints.files import replace_file
from anura_train.data import Corpus
from anura_train.models import Net, build_network
from anura_train.models.weights import StateDict, load_torch_file
from anura_train.recipe import BaseRecipe


@dataclass(slots=True, eq=False)
class TrainState:
    """Everything that changes from step to step."""

    model: Net
    ema: ModelEmaV3
    """Moving average of the weights: the result, unless an earlier epoch was better."""
    optimizer: Optimizer
    schedule: LRScheduler
    rng: np.random.Generator
    """Source of all randomness in the examples, which may be made ahead. All other randomness is torch's."""
    rng_state: dict[str, Any]
    """State of the generator after the examples of the last completed step."""
    step: int = 0
    """Completed steps."""
    best_f1: float = -math.inf
    best: StateDict | None = None
    """Averaged weights of the best epoch, where the recipe stops early."""
    stale: int = 0
    """Epochs since then."""
    finished: bool = False

    def update_best(self, f1: float, patience: int) -> None:
        """Store the weights if they are the best so far; finish after `patience` epochs without better ones."""
        self.stale += 1
        if f1 > self.best_f1:
            self.best_f1, self.stale = f1, 0
            self.best = {name: value.clone() for name, value in self.ema.module.state_dict().items()}
        self.finished = self.stale >= patience

    def result(self) -> Net:
        """Return the trained network, in evaluation mode."""
        network: Net = self.ema.module
        if self.best:
            network.load_state_dict(self.best)
        return network

    def state_dict(self) -> dict[str, Any]:
        """Return everything as tensors, numbers and text, which can be loaded without running code."""
        return {
            "model": self.model.state_dict(),
            "average": self.ema.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "examples": json.dumps(self.rng_state),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "step": self.step,
            "best_f1": self.best_f1,
            "best": self.best,
            "stale": self.stale,
            "finished": self.finished,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.model.load_state_dict(state["model"])
        self.ema.module.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.rng_state = json.loads(state["examples"])
        self.rng.bit_generator.state = self.rng_state
        torch.set_rng_state(state["torch"])
        if state["cuda"]:
            torch.cuda.set_rng_state_all(state["cuda"])
        self.step, self.stale, self.finished = state["step"], state["stale"], state["finished"]
        self.best_f1, self.best = state["best_f1"], state["best"]


def fingerprint(recipe: BaseRecipe, training_corpus: Corpus, teachers_digest: str | None = None) -> str:
    """Hash what identifies a training: its recipe, and the recordings and labels that it learns from.

    The digest of its teachers, if it has any, follows after a dash.
    """
    data = [
        (each.name, each.path.stat().st_size, each.codes, each.strong)
        for each in training_corpus.frogs + training_corpus.backgrounds
    ]
    own = sha256(f"{recipe.model_dump_json(exclude_defaults=True)} {data}".encode()).hexdigest()
    return f"{own}-{teachers_digest}" if teachers_digest else own


def load_final_weights(path: Path, expected: str | None = None) -> StateDict:
    """Read the weights of a finished training.

    Raises ModelError when the training has not finished, or does not have the expected fingerprint. The teachers in the
    fingerprint are not compared.
    """
    try:
        saved = load_torch_file(path)
        result: StateDict = saved["result"]
    except KeyError as error:
        raise ModelError(f"{path} is of a training that has not ended; run `anura-train fit` again") from error
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise ModelError(f"cannot read {path}: {error}; run `anura-train fit` first") from error
    if expected not in (None, saved["fingerprint"].partition("-")[0]):
        raise ModelError(f"{path} was trained on other recordings, or by another recipe; run `anura-train fit` again")
    return result


def save_final_weights(path: Path, model: Net, identity: str) -> None:
    """Write the weights of a finished training with its fingerprint."""
    with replace_file(path) as temporary:
        torch.save({"fingerprint": identity, "result": model.state_dict()}, temporary)


def load_fold_model(out: Path, recipe: BaseRecipe, label_count: int, fold: int, expected: str | None = None) -> Net:
    """Return the model that is tested on a fold, in evaluation mode.

    Raises ModelError when OUT lacks its weights, or they do not have the expected fingerprint.
    """
    model = build_network(recipe.model, label_count)
    model.load_state_dict(load_final_weights(out / "state" / f"fold-{fold}.pt", expected))
    return model.eval()


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """The checkpoint of one training. The file is always complete: it is replaced, never written into."""

    path: Path
    fingerprint: str
    """A checkpoint with another fingerprint is ignored and later replaced."""
    interval_steps: int = 50

    def save_if_due(self, training: TrainState) -> None:
        """Save the state after every `interval_steps` steps."""
        if training.step % self.interval_steps == 0:
            self._write({"training": training.state_dict()})

    def save_result(self, training: TrainState) -> None:
        """Save the result only, which has a fourth of the size of the state."""
        self._write({"step": training.step, "result": training.result().state_dict()})

    def restore(self, training: TrainState) -> None:
        """Load the checkpoint into a training; do nothing where there is none of this training.

        Raises ModelError for a file that cannot be read.
        """
        try:
            saved = load_torch_file(self.path)
            if saved["fingerprint"] != self.fingerprint:
                return
            if "training" in saved:
                training.load_state_dict(saved["training"])
            else:
                training.ema.module.load_state_dict(saved["result"])
                training.step, training.finished = saved["step"], True
        except FileNotFoundError:
            return
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise ModelError(f"cannot resume from {self.path}: {error}; delete it to start again") from error

    def _write(self, content: dict[str, Any]) -> None:
        with replace_file(self.path) as temporary:
            torch.save({"fingerprint": self.fingerprint} | content, temporary)
