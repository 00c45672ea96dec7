"""Fits a head: out of fold, then on everything, and writes what every other training writes.

The head of a fold is fitted on the other folds. The weights that combine its scores with BirdNET's logits are fitted on
the out-of-fold scores of the other folds, so that the fold is used for nothing that is tested on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from anura_train.checkpoints.final import (
    GOLDEN,
    HELD_OUT_LOGITS,
    TEST_LOGITS,
    Checkpoint,
    FrameLogits,
    save_checkpoint,
    save_logits,
)
from anura_train.checkpoints.provenance import make_provenance
from anura_train.checkpoints.resume import fingerprint, save_final_weights
from anura_train.data import Corpus, Recording
from anura_train.data.folds import training_part
from anura_train.data.progress import OnRecording
from anura_train.head_recipe import HeadRecipe
from anura_train.heads.combination import Combination, ScoredRecording, fit_combination, published_scores
from anura_train.heads.data import HeadData, label_priors, read_head_data
from anura_train.heads.embeddings import EmbeddingStore
from anura_train.heads.frozen import FrozenBirdnet
from anura_train.heads.ridge import LinearHead, fit_ridge, zero_head
from anura_train.models import build_network
from anura_train.models.birdnet.transfer import BirdnetTransfer
from anura_train.models.window import WindowNet, averaged_logits
from anura_train.training.folds import choose_golden_clip, write_golden_clip


@dataclass(frozen=True, slots=True, eq=False)
class FittedHead:
    """A head and the weights that combine its scores with BirdNET's logits."""

    head: LinearHead
    combination: Combination


def fit_head(recipe: HeadRecipe, corpus: Corpus, store: EmbeddingStore, out: Path, on_recording: OnRecording) -> None:
    """Write the logits and the weights of each fold, the checkpoint, the golden clip and all other scores to OUT."""
    golden = choose_golden_clip(recipe, corpus)
    data = read_head_data(recipe, corpus, store, on_recording)
    others = {HELD_OUT_LOGITS: corpus.held_out, TEST_LOGITS: corpus.test}
    embedded = {name: store.of_recordings(part, on_recording) for name, part in others.items()}
    # The path of the weights says nothing about them; provenance has their hash.
    recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"pretrained": None})})
    final = _fit_folds(recipe, corpus, data, store.frozen, out)
    write_golden_clip(out / GOLDEN, golden, store.frozen.rate_hz)
    for name, part in others.items():
        scored = [
            ScoredRecording(final.head(each), label_priors(store, each, data.prior_rows)) for each in embedded[name]
        ]
        save_logits(out / name, _logits(recipe, part, scored, final.combination))
    provenance = make_provenance(recipe, corpus, golden, frozen=store.frozen.source)
    save_checkpoint(out, Checkpoint(build_with_head(recipe, store.frozen, data, final), provenance))


def _fit_folds(recipe: HeadRecipe, corpus: Corpus, data: HeadData, frozen: FrozenBirdnet, out: Path) -> FittedHead:
    """Write logits and weights of each fold, and return the head on all data."""
    folds = {each.name: fold for each, fold in zip(data.recordings, data.fold.tolist(), strict=True)}
    heads = [_fit_scores(recipe, data, fold) for fold in range(recipe.folds)]
    scored = [
        data.score(number, heads[fold](data.embeddings[number])) for number, fold in enumerate(data.fold.tolist())
    ]
    for fold, head in enumerate(heads):
        fitted = FittedHead(head, _combine(recipe, data, scored, data.fold != fold))
        tested = np.flatnonzero(data.fold == fold)
        recordings = [data.recordings[number] for number in tested]
        logits = _logits(recipe, recordings, [scored[number] for number in tested], fitted.combination)
        save_logits(out / f"fold-{fold}.npz", logits)
        identity = fingerprint(recipe, training_part(corpus, folds, fold))
        save_final_weights(out / "state" / f"fold-{fold}.pt", build_with_head(recipe, frozen, data, fitted), identity)
    everything = _fit_scores(recipe, data, None)
    return FittedHead(everything, _combine(recipe, data, scored, np.ones(len(data.fold), bool)))


def _fit_scores(recipe: HeadRecipe, data: HeadData, tested_fold: int | None) -> LinearHead:
    if recipe.head.kind == "published":
        return zero_head(len(data.labels))
    return fit_ridge(data.examples(recipe, tested_fold), recipe.head.ridge)


def _combine(
    recipe: HeadRecipe, data: HeadData, scored: Sequence[ScoredRecording], wanted: NDArray[np.bool_]
) -> Combination:
    if recipe.head.kind == "published":
        return published_scores(data.known)
    chosen = [each for each, keep in zip(scored, wanted, strict=True) if keep]
    return fit_combination(chosen, data.truth[wanted], data.known, recipe.model.averaged_frames)


def _logits(
    recipe: HeadRecipe, recordings: Sequence[Recording], scored: Sequence[ScoredRecording], combination: Combination
) -> FrameLogits:
    """Return the logits of each recording by name, averaged as a device averages them."""
    frames = recipe.model.averaged_frames
    averaged = (averaged_logits(torch.from_numpy(combination(each)), frames).numpy() for each in scored)
    return {recording.name: logits for recording, logits in zip(recordings, averaged, strict=True)}


@torch.no_grad()
def build_with_head(recipe: HeadRecipe, frozen: FrozenBirdnet, data: HeadData, fitted: FittedHead) -> WindowNet:
    """Return the network with the frozen weights, a head, and BirdNET's rows of the labels."""
    network = cast(WindowNet, build_network(recipe.model, len(data.labels)))
    transfer = cast(BirdnetTransfer, network.body)
    network.front_end.load_state_dict(frozen.front_end.state_dict())
    body = {name: value for name, value in frozen.body.state_dict().items() if not name.startswith("head.")}
    transfer.body.load_state_dict(body, strict=False)
    transfer.set_prior(frozen.body, data.prior_rows)
    transfer.head.weight.copy_(torch.from_numpy(fitted.head.weight))
    transfer.head.bias.copy_(torch.from_numpy(fitted.head.bias))
    transfer.term_weights.copy_(torch.from_numpy(fitted.combination.weights))
    transfer.term_offset.fill_(fitted.combination.offset)
    return network.eval()
