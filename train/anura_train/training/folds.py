"""The trainings of a recipe: one for each fold, which scores that fold, and the final one on all data."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
from lightning_fabric import Fabric

from anura_edge.audio import FloatArray
from anura_edge.demo.card import CLIPS
from anura_train.batches.build import TrainingData, prepare_training_data
from anura_train.checkpoints.final import (
    GOLDEN,
    HELD_OUT_LOGITS,
    TEST_LOGITS,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    save_logits,
)
from anura_train.checkpoints.provenance import make_provenance
from anura_train.checkpoints.resume import CheckpointFile, fingerprint
from anura_train.data import FREE_LICENCES, Corpus, Recording, load_audio
from anura_train.data.folds import cross_validation_folds, training_part
from anura_train.models import Net
from anura_train.recipe import BaseRecipe, Recipe
from anura_train.training.distillation import Teachers
from anura_train.training.logs import CpuTimeLog, CsvLog, StepLog, TensorBoardLog
from anura_train.training.loop import OnStep, Step, fit
from anura_train.training.narrowing import cut_out
from anura_train.training.storing import read_stored_examples
from anura_train.training.teachers import load_teachers

GOLDEN_S = 3

NOISE_RMS = 1e-3
"""Level of the noise in the golden clip, -60 dBFS. Without noise, bands above the bandwidth of the recorder would
contain only rounding errors, which differ between machines."""

Prepared = tuple[TrainingData, Callable[[Net], None] | None]
"""The examples of a training, and what sets the first weights."""

DEMO_FROG = Recording(
    path=CLIPS / "PSECRU_g008.ogg",
    name="PSECRU_g008 of the demo card",
    group="demo",
    licence="US public domain",
    attribution="USGS Amphibian Research and Monitoring Initiative (ARMI)",
)
"""A spring peeper; anura_edge/demo/CREDITS.md has its source."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """Where a training computes and where it writes."""

    out: Path
    fabric: Fabric
    tensorboard: bool = False
    checkpoint_steps: int = 50
    """Steps between two checkpoints: a kill costs at most so many."""
    workers: int = 0
    """Threads that make examples ahead."""


def fit_fold(
    recipe: Recipe, corpus: Corpus, fold: int, context: RunContext, on_step: OnStep, teachers: Sequence[Path] = ()
) -> None:
    """Train on all folds but one, score that one, and write OUT/fold-K.npz.

    `teachers` are folders of other trainings, for a recipe with a `distillation` section.
    """
    folds = cross_validation_folds(corpus, recipe.folds, recipe.split_seed)
    training_corpus = training_part(corpus, folds, fold)
    taught_by = load_teachers(teachers, recipe, corpus, training_corpus, fold)
    prepared = _prepare(recipe, corpus, training_corpus, fold, context.out, taught_by)
    model = _fit(recipe, training_corpus, prepared, f"fold-{fold}", context, on_step, taught_by)
    tested = [clip for clip in corpus.frogs + corpus.backgrounds if folds[clip.name] == fold]
    if context.fabric.is_global_zero:
        save_logits(context.out / f"fold-{fold}.npz", predict_all(model, tested))


def fit_final(
    recipe: Recipe, corpus: Corpus, context: RunContext, on_step: OnStep, teachers: Sequence[Path] = ()
) -> None:
    """Train on all data, and write the checkpoint, the golden clip and the scores of all other recordings."""
    golden = choose_golden_clip(recipe, corpus)
    taught_by = load_teachers(teachers, recipe, corpus, corpus, None)
    prepared = _prepare(recipe, corpus, corpus, None, context.out, taught_by)
    model = _fit(recipe, corpus, prepared, "final", context, on_step, taught_by)
    if context.fabric.is_global_zero:
        write_golden_clip(context.out / GOLDEN, golden, model.rate_hz)
        taught = [load_checkpoint(each).provenance for each in teachers]
        titles, frozen = [each.recipe.title for each in taught], " ".join(each.frozen for each in taught if each.frozen)
        save_checkpoint(context.out, Checkpoint(model, make_provenance(recipe, corpus, golden, titles, frozen)))
        save_logits(context.out / HELD_OUT_LOGITS, predict_all(model, corpus.held_out))
        save_logits(context.out / TEST_LOGITS, predict_all(model, corpus.test))


def _fit(
    recipe: Recipe,
    training_corpus: Corpus,
    prepared: Prepared,
    name: str,
    context: RunContext,
    on_step: OnStep,
    teachers: Teachers | None,
) -> Net:
    """Train, or resume the same training after a kill, and log each step."""
    logs: list[StepLog] = []
    if context.fabric.is_global_zero:
        logs = [CsvLog(context.out / "log" / f"{name}.csv"), CpuTimeLog(context.out / "log" / f"{name}.seconds")]
        if context.tensorboard:
            logs.append(TensorBoardLog(context.out / "tensorboard" / name))

    def write(step: Step) -> None:
        for log in logs:
            log.write(step)
        on_step(step)

    identity = fingerprint(recipe, training_corpus, teachers.digest if teachers else None)
    checkpoint = CheckpointFile(context.out / "state" / f"{name}.pt", identity, context.checkpoint_steps)
    data, initialise = prepared
    return fit(recipe, data, write, checkpoint, context.fabric, context.workers, teachers, initialise)


def _prepare(
    recipe: Recipe, corpus: Corpus, training_corpus: Corpus, fold: int | None, out: Path, teachers: Teachers | None
) -> Prepared:
    """Return the examples, and what sets the first weights; None where they are random or pretrained."""
    if not recipe.stored_examples or not teachers:
        return prepare_training_data(recipe, training_corpus, corpus.labels()), None
    examples = read_stored_examples(recipe, corpus, fold, out, teachers.networks[0])
    return TrainingData(corpus.labels(), examples), partial(cut_out, teacher=teachers.networks[0], examples=examples)


@torch.no_grad()
def predict_all(model: Net, clips: Iterable[Recording]) -> dict[str, FloatArray]:
    """Return the logits of each recording, (frames, labels), by its name."""
    device = next(model.parameters()).device
    waveforms = ((clip.name, torch.from_numpy(load_audio(clip, model.rate_hz)).to(device)) for clip in clips)
    return {name: np.asarray(model.predict(waveform).cpu().numpy(), np.float32) for name, waveform in waveforms}


def choose_golden_clip(recipe: BaseRecipe, corpus: Corpus) -> Recording:
    """Return a recording whose licence allows publishing it.

    It is the one that the recipe names, else the first one of the data, else a frog of the demo card.
    """
    free = [clip for clip in corpus.frogs if clip.licence.startswith(FREE_LICENCES)]
    named = [clip for clip in free if clip.name == recipe.golden_clip]
    return named[0] if named else min(free, key=lambda clip: clip.name, default=DEMO_FROG)


def write_golden_clip(path: Path, golden: Recording, rate_hz: int) -> None:
    """Write the beginning of a recording with noise."""
    audio: FloatArray = load_audio(golden, rate_hz)[: GOLDEN_S * rate_hz]
    noise = np.random.default_rng(0).normal(0, NOISE_RMS, len(audio))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.5 * audio + noise, rate_hz, subtype="PCM_16")
