"""The files that a training leaves for evaluation and export.

OUT/model.pt             final weights, recipe, species, credits
OUT/golden.flac          three seconds that the exported model must score alike on every machine
OUT/fold-K.npz           logits of each recording of fold K, (frames, labels), by a model that was not trained on it
OUT/test.npz             logits of the recordings of the test part, by the final model
OUT/held-out.npz         logits of the backgrounds that must not be used for training, by the final model
OUT/log/NAME.csv         loss and learning rate of each step; NAME.seconds has the CPU time of all steps
OUT/state/NAME.pt        checkpoint from which a killed training resumes; at its end the weights
OUT/logit-cache/NAME.db  cache of this model's logits, where it was a teacher
OUT/report.json          calibration, thresholds and metrics of the shipped model, written by `evaluate`
OUT/evaluation.json      all metrics; OUT/evaluation.csv has the same as a table
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError, SourceError
from anura_train.checkpoints.files import replace_file
from anura_train.checkpoints.provenance import Provenance
from anura_train.models import Net, build_network
from anura_train.models.weights import load_torch_file

CHECKPOINT, GOLDEN, REPORT = "model.pt", "golden.flac", "report.json"
HELD_OUT_LOGITS, TEST_LOGITS = "held-out.npz", "test.npz"

FrameLogits = Mapping[str, FloatArray]
"""Recording name -> logits (frames, labels)."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained network and its provenance."""

    model: Net
    """In evaluation mode."""
    provenance: Provenance


def save_checkpoint(out: Path, checkpoint: Checkpoint) -> None:
    """Write OUT/model.pt."""
    provenance = checkpoint.provenance.model_dump_json(exclude_unset=True)
    torch.save({"provenance": provenance, "weights": checkpoint.model.state_dict()}, out / CHECKPOINT)


def load_checkpoint(out: Path) -> Checkpoint:
    """Read OUT/model.pt; ModelError when it is missing or not valid."""
    path = out / CHECKPOINT
    try:
        saved = load_torch_file(path)
        provenance = Provenance.model_validate_json(saved["provenance"])
        model = build_network(provenance.recipe.model, len(provenance.species))
        model.load_state_dict(saved["weights"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"cannot load {path}: {error}; run `anura-train fit` again") from error
    return Checkpoint(model.eval(), provenance)


def save_logits(path: Path, logits: FrameLogits) -> None:
    """Write logits by recording name."""
    with replace_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **logits)


def load_logits(path: Path) -> dict[str, FloatArray]:
    """Read logits by recording name; SourceError when the file does not exist."""
    try:
        with np.load(path, allow_pickle=False) as saved:
            return {name: saved[name] for name in saved.files}
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}; run `anura-train fit` for it first") from error
