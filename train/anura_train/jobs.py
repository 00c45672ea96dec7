"""The trainings that a recipe asks for: one for each fold, scored on that fold, and the final one on everything."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch

from anura_edge.audio import FloatArray
from anura_edge.errors import ConfigError
from anura_train.augment import Sounds
from anura_train.checkpoint import (
    GOLDEN,
    HELD_OUT,
    Checkpoint,
    Provenance,
    Species,
    save_checkpoint,
    save_rows,
)
from anura_train.data import FREE_LICENCES, RATE_HZ, Corpus, Recording, load
from anura_train.fit import OnStep, fit
from anura_train.folds import Folds, corpus_folds
from anura_train.models import Net
from anura_train.recipe import Recipe

GOLDEN_S = 6

MAX_NAMES_A_LINE = 20


def fit_fold(recipe: Recipe, corpus: Corpus, fold: int, out: Path, on_step: OnStep) -> None:
    """Train on all folds but one, score that one, write OUT/fold-K.npz."""
    folds = all_folds(recipe, corpus)
    learnt = corpus.only(lambda each: not each.held_out and folds[each.name] != fold)
    model = fit(recipe, load_sounds(learnt, corpus.labels()), on_step)
    tested = [clip for clip in corpus.frogs + corpus.backgrounds if folds[clip.name] == fold]
    save_rows(out / f"fold-{fold}.npz", score(model, tested))


def fit_final(recipe: Recipe, corpus: Corpus, out: Path, on_step: OnStep) -> None:
    """Train on everything that may be learnt from; write the checkpoint, the golden clip and the held-out scores."""
    golden = _golden_clip(recipe, corpus)
    model = fit(recipe, load_sounds(corpus, corpus.labels()), on_step)
    soundfile.write(out / GOLDEN, load(golden)[: GOLDEN_S * RATE_HZ], RATE_HZ, subtype="PCM_16")
    save_checkpoint(out, Checkpoint(model, describe(recipe, corpus, golden)))
    save_rows(out / HELD_OUT, score(model, corpus.held_out))


def all_folds(recipe: Recipe, corpus: Corpus) -> Folds:
    """Return every clip's fold."""
    return corpus_folds(corpus, recipe.folds, recipe.seed)


def load_sounds(corpus: Corpus, labels: tuple[str, ...]) -> Sounds:
    """Read into memory all that is learnt from: about 5 MB a minute."""
    return Sounds(
        calls=tuple(load(clip) for clip in corpus.frogs),
        codes=tuple(clip.codes for clip in corpus.frogs),
        backgrounds=tuple(load(clip) for clip in corpus.backgrounds),
        labels=labels,
        rate_hz=RATE_HZ,
    )


@torch.no_grad()
def score(model: Net, clips: Iterable[Recording]) -> dict[str, FloatArray]:
    """Return the logits of each recording, (rows, labels), by its name."""
    return {clip.name: np.asarray(model.rows(torch.from_numpy(load(clip))).numpy(), np.float32) for clip in clips}


def describe(recipe: Recipe, corpus: Corpus, golden: Recording) -> Provenance:
    """Write down where a model comes from."""
    learnt = corpus.frogs + corpus.backgrounds
    names = ", ".join(corpus.taxon(code).scientific_name for code in golden.codes)
    return Provenance(
        recipe=recipe,
        species=tuple(_species(code, corpus) for code in corpus.labels()),
        data=tuple(_data_lines(learnt)),
        credits=tuple(_credit_lines(learnt)),
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
    clip = next((clip for clip in corpus.frogs if clip.name == recipe.golden), None)
    if clip is None:
        raise ConfigError(
            f"recipe {recipe.id}: golden: no recording {recipe.golden!r} in the data; name one of frogs.csv"
        )
    if not clip.licence.startswith(FREE_LICENCES):
        raise ConfigError(
            f"recipe {recipe.id}: golden: {clip.name} is {clip.licence}; choose one that may be passed on"
        )
    return clip
