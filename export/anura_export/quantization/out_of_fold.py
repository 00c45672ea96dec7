"""Measures the loss of macro-F1 by int8 out of fold: each fold is scored by the int8 version of its own model."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.golden import score_all
from anura_edge.inference.loading import open_model
from anura_edge.inference.manifest import Metric
from anura_export.bundles.onnx_graph import to_onnx, with_calibration
from anura_export.quantization.calibration_clips import SEED, range_clips, select_range_recordings
from anura_export.quantization.int8 import quantize_graph
from anura_train.checkpoints.final import Checkpoint, load_checkpoint
from anura_train.checkpoints.resume import load_fold_model
from anura_train.data import Corpus, Recording, load_audio
from anura_train.data.folds import Folds, cross_validation_folds
from anura_train.evaluation.bootstrap import estimate
from anura_train.evaluation.metrics import Values, Weights
from anura_train.evaluation.shipped import ShippedReport, load_shipped_report, macro_f1, species_bootstrap

LOSS = "loss of macro-F1 by int8 at the shipped thresholds"


def macro_f1_loss(bundle: Bundle, corpus: Corpus, trained: Path) -> Metric:
    """Return macro-F1 of the folds' float models minus that of their int8 versions, with a bootstrap interval.

    Ranges come from the training recordings of each fold. Raises ModelError when the folder belongs to another model
    than the bundle, or the model of a fold is missing.
    """
    checkpoint, report = load_checkpoint(trained), load_shipped_report(trained)
    codes = tuple(species.code for species in checkpoint.provenance.species)
    if codes != tuple(label.code for label in bundle.manifest.labels) or codes != corpus.labels():
        raise ModelError(f"{trained}, {bundle.path} and the data have different labels; they must belong to one model")
    recipe = checkpoint.provenance.recipe
    folds = cross_validation_folds(corpus, recipe.folds, recipe.split_seed)
    scores: dict[str, FloatArray] = {}
    for fold in range(checkpoint.provenance.recipe.folds):
        scores |= _score_fold(bundle, corpus, folds, fold, _fold_graph(checkpoint, report, trained, fold))
    thresholds = np.array([label.threshold for label in bundle.manifest.labels])
    truth = np.array([[code in each.codes for code in codes] for each in corpus.frogs])

    both = np.stack([scores[each.name] for each in corpus.frogs])  # (recordings, 2, labels)
    floats, integers = both[:, 0] >= thresholds, both[:, 1] >= thresholds

    def loss(weights: Weights) -> Values:
        return macro_f1(weights, floats, truth) - macro_f1(weights, integers, truth)

    value, draws = species_bootstrap([each.codes for each in corpus.frogs]).compute(loss)
    estimated = estimate(value[0], draws[:, 0])
    return Metric(
        name=LOSS,
        value=estimated.value,
        low=estimated.low,
        high=estimated.high,
        protocol=f"{len(both)} recordings out of fold, each fold's float model and its int8 version, ranges from the "
        "training recordings of the fold; a recording's score is its highest frame; interval: bootstrap over "
        "recordings within species, 1,000 draws, both models on the same ones",
    )


def _fold_graph(checkpoint: Checkpoint, report: ShippedReport, trained: Path, fold: int) -> bytes:
    provenance = checkpoint.provenance
    model = load_fold_model(trained, provenance.recipe, len(provenance.species), fold)
    return to_onnx(with_calibration(model, report.slope, report.offset))


def _score_fold(bundle: Bundle, corpus: Corpus, folds: Folds, fold: int, graph: bytes) -> dict[str, FloatArray]:
    """Return the recording scores (2, labels) of the frog recordings of a fold: by the float and the int8 model."""
    floats = replace(bundle, model=graph)

    def of_training(recordings: tuple[Recording, ...]) -> list[Recording]:
        return [each for each in recordings if folds[each.name] != fold]

    ranges = select_range_recordings(
        of_training(corpus.frogs), of_training(corpus.backgrounds), np.random.default_rng(SEED)
    )
    integers = replace(bundle, model=quantize_graph(floats, range_clips(ranges, bundle.manifest.rate_hz)))
    tested = [each for each in corpus.frogs if folds[each.name] == fold]
    pairs = zip(_highest(floats, tested), _highest(integers, tested), strict=True)
    return {recording.name: np.stack(pair) for recording, pair in zip(tested, pairs, strict=True)}


def _highest(bundle: Bundle, recordings: list[Recording]) -> Iterator[FloatArray]:
    classifier = open_model(bundle)
    for recording in recordings:
        yield score_all(bundle, classifier, load_audio(recording, bundle.manifest.rate_hz)).max(0)
