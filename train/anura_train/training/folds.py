"""The trainings that a recipe asks for: one for each fold, scored on that fold, and the final one on everything."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from lightning_fabric import Fabric

from anura_edge.audio import FloatArray
from anura_edge.errors import ConfigError
from anura_train.batches.build import prepare_training_data
from anura_train.checkpoints.final import (
    GOLDEN,
    HELD_OUT_LOGITS,
    TEST_LOGITS,
    Checkpoint,
    Provenance,
    Species,
    load_checkpoint,
    save_checkpoint,
    save_logits,
)
from anura_train.checkpoints.resume import CheckpointFile, fingerprint
from anura_train.data import FREE_LICENCES, Corpus, Recording, load_audio
from anura_train.data.folds import cross_validation_folds
from anura_train.models import Net
from anura_train.recipe import Recipe
from anura_train.training.distillation import Teachers
from anura_train.training.logs import CpuTimeLog, CsvLog, Log, TensorBoardLog
from anura_train.training.loop import OnStep, Step, fit
from anura_train.training.teachers import load_teachers

GOLDEN_S = 3

MAX_NAMES_A_LINE = 20


@dataclass(frozen=True, slots=True)
class RunContext:
    """Where a training is done and what it leaves behind."""

    out: Path
    fabric: Fabric
    tensorboard: bool = False
    keep_every: int = 50
    """Steps that a kill costs at most."""
    workers: int = 0
    """Threads that make examples ahead."""


def fit_fold(
    recipe: Recipe, corpus: Corpus, fold: int, bench: RunContext, on_step: OnStep, teachers: Sequence[Path] = ()
) -> None:
    """Train on all folds but one, score that one, write OUT/fold-K.npz.

    `teachers` are folders that other trainings left, for a recipe that wants some.
    """
    folds = cross_validation_folds(corpus, recipe.folds, recipe.split_seed)
    learnt = corpus.filter_recordings(
        lambda each: folds.get(each.name, fold) != fold
    )  # what is held out or for the test is in none
    taught = load_teachers(teachers, recipe, corpus, learnt, fold)
    model = _fit(recipe, learnt, corpus.labels(), f"fold-{fold}", bench, on_step, taught)
    tested = [clip for clip in corpus.frogs + corpus.backgrounds if folds[clip.name] == fold]
    if bench.fabric.is_global_zero:
        save_logits(bench.out / f"fold-{fold}.npz", predict_all(model, tested))


def fit_final(
    recipe: Recipe, corpus: Corpus, bench: RunContext, on_step: OnStep, teachers: Sequence[Path] = ()
) -> None:
    """Train on everything that may be learnt from; write the checkpoint, the golden clip and the scores of the rest."""
    golden = _golden_clip(recipe, corpus)
    taught = load_teachers(teachers, recipe, corpus, corpus, None)
    model = _fit(recipe, corpus, corpus.labels(), "final", bench, on_step, taught)
    if bench.fabric.is_global_zero:
        clip = load_audio(golden, model.rate_hz)[: GOLDEN_S * model.rate_hz]
        soundfile.write(bench.out / GOLDEN, clip, model.rate_hz, subtype="PCM_16")
        names = [load_checkpoint(each).provenance.recipe.title for each in teachers]
        provenance = describe(recipe, corpus, golden, names)
        save_checkpoint(bench.out, Checkpoint(model, provenance))
        save_logits(bench.out / HELD_OUT_LOGITS, predict_all(model, corpus.held_out))
        save_logits(bench.out / TEST_LOGITS, predict_all(model, corpus.test))


def _fit(
    recipe: Recipe,
    learnt: Corpus,
    labels: tuple[str, ...],
    name: str,
    bench: RunContext,
    on_step: OnStep,
    teachers: Teachers | None,
) -> Net:
    """Train, go on where the same training was killed, and write each step down."""
    logs: list[Log] = []
    if bench.fabric.is_global_zero:
        logs = [CsvLog(bench.out / "log" / f"{name}.csv"), CpuTimeLog(bench.out / "log" / f"{name}.seconds")]
        if bench.tensorboard:
            logs.append(TensorBoardLog(bench.out / "tensorboard" / name))

    def write(step: Step) -> None:
        for log in logs:
            log.write(step)
        on_step(step)

    mark = fingerprint(recipe, learnt, teachers.digest if teachers else None)
    keeper = CheckpointFile(bench.out / "state" / f"{name}.pt", mark, bench.keep_every)
    return fit(
        recipe, prepare_training_data(recipe, learnt, labels), write, keeper, bench.fabric, bench.workers, teachers
    )


@torch.no_grad()
def predict_all(model: Net, clips: Iterable[Recording]) -> dict[str, FloatArray]:
    """Return the logits of each recording, (rows, labels), by its name."""
    device = next(model.parameters()).device
    sounds = ((clip.name, torch.from_numpy(load_audio(clip, model.rate_hz)).to(device)) for clip in clips)
    return {name: np.asarray(model.predict(sound).cpu().numpy(), np.float32) for name, sound in sounds}


def describe(recipe: Recipe, corpus: Corpus, golden: Recording, teachers: Sequence[str] = ()) -> Provenance:
    """Write down where a model comes from."""
    learnt = corpus.frogs + corpus.backgrounds
    names = ", ".join(corpus.taxon(code).scientific_name for code in golden.codes)
    return Provenance(
        recipe=recipe,
        species=tuple(_species(code, corpus) for code in corpus.labels()),
        data=tuple(_data_lines(learnt)),
        credits=tuple(_credit_lines(learnt)),
        teachers=tuple(teachers),
        golden_credit=f"{golden.name}, {names}: {golden.licence}. {golden.attribution}".strip(),
    )


def _species(code: str, corpus: Corpus) -> Species:
    clips = [clip for clip in corpus.frogs if code in clip.codes]
    taxon = corpus.taxon(code)
    return Species(
        code=code,
        scientific_name=taxon.scientific_name,
        common_name=taxon.common_name,
        recordings=len(clips),
        groups=len({clip.group for clip in clips}),
    )


def _data_lines(clips: Sequence[Recording]) -> Iterable[str]:
    licences: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        licences[clip.name.split("/")[0]][clip.licence.split(" (")[0]] += 1
    for name, counts in licences.items():
        yield f"{name}: " + ", ".join(f"{count} recordings {licence}" for licence, count in sorted(counts.items()))


def _credit_lines(clips: Sequence[Recording]) -> Iterable[str]:
    """Name every recording with its licence and author; many by one author share a line."""
    by_author: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for clip in clips:
        by_author[clip.name.split("/")[0], clip.licence, clip.attribution].append(Path(clip.name).stem)
    for (folder, licence, attribution), names in sorted(by_author.items()):
        what = ", ".join(sorted(names)) if len(names) <= MAX_NAMES_A_LINE else f"{len(names)} recordings"
        yield f"{folder}, {licence}: {attribution or 'no name given'} ({what})"


def _golden_clip(recipe: Recipe, corpus: Corpus) -> Recording:
    """Return the recording that the recipe names, or the first that may be passed on."""
    named = [clip for clip in corpus.frogs if recipe.golden_clip in (None, clip.name)]
    if not named:
        raise ConfigError(
            f"recipe {recipe.id}: golden: no recording {recipe.golden_clip!r} in the data; name one of it"
        )
    free = [clip for clip in named if clip.licence.startswith(FREE_LICENCES)]
    if not free:
        raise ConfigError(
            f"recipe {recipe.id}: golden: {named[0].name} is {named[0].licence or 'without a licence'}; "
            "choose a recording that may be passed on"
        )
    return min(free, key=lambda clip: clip.name)
