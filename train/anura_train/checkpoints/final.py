"""What training leaves on disk for evaluation and export.

OUT/model.pt         final weights, recipe, species, credits
OUT/golden.flac      three seconds that the exported model must score alike everywhere
OUT/fold-K.npz       logits of every recording of fold K, (rows, labels) each, by a model that did not learn from it
OUT/test.npz         the same of the recordings that the data's authors set aside to test on, by the final model
OUT/held-out.npz     logits of the backgrounds that no model may learn from, by the final model
OUT/log/NAME.csv     loss and learning rate of each step, and in NAME.seconds how long all of them took
OUT/state/NAME.pt    what a training that was killed goes on from
OUT/said/NAME.db     what it told students as a teacher, so that it need not listen to the same example twice
OUT/report.json      what is shipped: calibration, thresholds and their figures, written by `evaluate`
OUT/evaluation.json  every figure, and OUT/evaluation.csv, the same as a table
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError, SourceError
from anura_train.models import Net, build_network
from anura_train.models.weights import load_torch_file
from anura_train.recipe import Recipe

CHECKPOINT, GOLDEN, REPORT = "model.pt", "golden.flac", "report.json"
HELD_OUT_LOGITS, TEST_LOGITS = "held-out.npz", "test.npz"

FrameLogits = Mapping[str, FloatArray]
"""Clip name -> logits (rows, labels)."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Species(_Frozen):
    """One label and what it was learnt from."""

    code: str
    scientific_name: str
    common_name: str
    recordings: int
    groups: int


class Provenance(_Frozen):
    """Where weights come from: all that a model card needs to say of it."""

    recipe: Recipe
    species: tuple[Species, ...]
    """In the order of the scores."""
    data: tuple[str, ...]
    """One line a data set: name, amount, licence."""
    credits: tuple[str, ...]
    """One line a recording: name, licence, attribution."""
    golden_credit: str
    teachers: tuple[str, ...] = ()
    """Recipes of the models that it was distilled from."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained network and where it comes from."""

    model: Net
    """In evaluation mode."""
    provenance: Provenance


def save_checkpoint(out: Path, checkpoint: Checkpoint) -> None:
    """Write OUT/model.pt."""
    provenance = checkpoint.provenance.model_dump_json(exclude_unset=True)
    torch.save({"provenance": provenance, "weights": checkpoint.model.state_dict()}, out / CHECKPOINT)


def load_checkpoint(out: Path) -> Checkpoint:
    """Read OUT/model.pt; ModelError when it is missing or not ours."""
    path = out / CHECKPOINT
    try:
        saved = load_torch_file(path)
        provenance = Provenance.model_validate_json(saved["provenance"])
        model = build_network(provenance.recipe.model, len(provenance.species))
        model.load_state_dict(saved["weights"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"cannot load {path}: {error}; run `anura-train fit` again") from error
    return Checkpoint(model.eval(), provenance)


def save_logits(path: Path, rows: FrameLogits) -> None:
    """Write logits by clip name; a file that is there is whole."""
    young = path.with_suffix(".new")
    with young.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **rows)
    young.replace(path)


def load_logits(path: Path) -> dict[str, FloatArray]:
    """Read logits by clip name; SourceError when the fold was not fitted."""
    try:
        with np.load(path, allow_pickle=False) as saved:
            return {name: saved[name] for name in saved.files}
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}; run `anura-train fit` for it first") from error
