"""Makes the int8 version of a bundle, and says whether it is worth having."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import soundfile

from anura_edge.audio import FloatArray
from anura_edge.inference.bundle import CARD, GOLDEN_CLIP, MODEL, Bundle, load_bundle
from anura_edge.inference.classifier import StreamClassifier, WindowClassifier
from anura_edge.inference.golden import score_all
from anura_edge.inference.loading import load_classifier, open_model
from anura_edge.inference.manifest import GOLDEN_TOLERANCE, Manifest, Metric
from anura_export.benchmark.cost import InterleavedTimes, cost_of, time_interleaved
from anura_export.bundles.build import replace_bundle, write_golden_scores, write_hashed_manifest
from anura_export.bundles.difference import ProbabilityChanges, compare_bundles, summarise_parity
from anura_export.bundles.model_card import int8_section
from anura_export.quantization.calibration_clips import (
    RecordingSelection,
    comparison_clips,
    describe,
    range_clips,
    select_recordings,
)
from anura_export.quantization.int8 import quantize_graph
from anura_export.quantization.out_of_fold import LOSS, macro_f1_loss
from anura_train.data import Corpus

WORST_P99, WORST_LOSS = 0.03, 0.003
"""Beyond these int8 is called worse: 99 % of the changes of a probability, and macro-F1."""

WORTHWHILE = 0.95
"""Share of the float model's time that int8 must stay under to be called faster."""

HIGHEST_TOLERANCE = 0.05
TIMING_S = 2.0


@dataclass(frozen=True, slots=True)
class QuantizedBundle:
    """What came of it."""

    bundle: Bundle
    verdict: tuple[str, ...]
    """In sentences: faster or not, worse or not, and which of the two to use."""
    ratio: float
    """How many times as long int8 takes as float32 on this machine."""


@dataclass(frozen=True, slots=True)
class _Measurements:
    """What was measured of the int8 model."""

    difference: ProbabilityChanges
    times: InterleavedTimes
    loss: Metric | None


def quantize(bundle: Bundle, corpus: Corpus, out: Path, trained: Path | None = None) -> QuantizedBundle:
    """Write the int8 version of a float bundle to OUT, which is replaced only when all checks have passed.

    Ranges are taken from some recordings, the two models are compared on others. With the folder `trained` that
    `anura-train fit` and `evaluate` left, the loss of macro-F1 is measured out of fold. Raises ModelError for a bundle
    that cannot be quantised, SourceError for data that is not enough.
    """
    load_classifier(bundle)
    chosen, rate_hz = select_recordings(corpus), bundle.manifest.rate_hz
    graph = quantize_graph(bundle, range_clips(chosen.ranges, rate_hz))
    with replace_bundle(out) as folder:
        young = write_int8(bundle, graph, folder)
        found = _Measurements(
            compare_bundles(young, bundle, comparison_clips(chosen.compared, rate_hz)),
            time_interleaved([bundle, young], budget_s=TIMING_S),
            macro_f1_loss(bundle, corpus, trained) if trained else None,
        )
        measured = _measured(bundle, young, chosen, found)
        verdict = tuple(_verdict(bundle, young, found))
        section = int8_section(measured, cost_of(bundle, float(found.times.medians[0])), verdict)
        card = (bundle.path / CARD).read_text(encoding="utf-8")
        (folder / CARD).write_text(f"{card}\n{section}", encoding="utf-8")
        write_hashed_manifest(folder, measured)
    return QuantizedBundle(load_bundle(out), verdict, found.times.ratio(1, to=0))


def write_int8(bundle: Bundle, graph: bytes, folder: Path) -> Bundle:
    """Write a graph that `quantize_graph` made of a bundle into a folder as a bundle of its own, not measured yet."""
    (folder / GOLDEN_CLIP).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bundle.path / GOLDEN_CLIP, folder / GOLDEN_CLIP)
    shutil.copyfile(bundle.path / CARD, folder / CARD)
    (folder / MODEL).write_bytes(graph)
    draft = _draft(bundle, graph)
    write_golden_scores(folder, draft)
    write_hashed_manifest(folder, draft)
    return load_bundle(folder)


def _draft(bundle: Bundle, graph: bytes) -> Manifest:
    manifest = bundle.manifest
    metrics = tuple(
        metric.model_copy(update={"protocol": f"{metric.protocol}; of the float model"}) for metric in manifest.metrics
    )
    changes = {
        "id": f"{manifest.id[:59]}-int8",
        "title": f"{manifest.title} (int8)",
        "precision": "int8",
        "made_from": bundle.model_sha256,
        "metrics": metrics,
        "golden_tolerance": _tolerance(replace(bundle, model=graph)),
    }
    return manifest.model_copy(update=changes)


def _tolerance(bundle: Bundle) -> float:
    """Return how far the golden scores may be off on another machine.

    Where integers are computed as floats, as runtimes without a kernel do, a value on the edge between two integers
    may fall to the other. Twice the change that this makes here is allowed.
    """
    samples: FloatArray = soundfile.read(bundle.path / GOLDEN_CLIP, dtype="float32")[0]
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
    kind = StreamClassifier if bundle.manifest.kind == "stream" else WindowClassifier
    as_floats = score_all(bundle, kind(session, bundle.manifest, "cpu"), samples)
    change = float(np.abs(as_floats - score_all(bundle, open_model(bundle), samples)).max())
    return min(max(GOLDEN_TOLERANCE, 2 * change), HIGHEST_TOLERANCE)


def _measured(bundle: Bundle, young: Bundle, chosen: RecordingSelection, found: _Measurements) -> Manifest:
    draft = young.manifest
    audio = f"{describe(chosen.compared)}, of other groups than those that ranges were taken from"
    against = f"{MODEL} {bundle.model_sha256[:12]}"
    changes = {
        "parity": summarise_parity(found.difference.changes, (label.code for label in draft.labels), against, audio),
        "cost": cost_of(young, float(found.times.medians[1])),
        "metrics": (*draft.metrics, found.loss) if found.loss else draft.metrics,
    }
    return draft.model_copy(update=changes)


def _verdict(bundle: Bundle, young: Bundle, found: _Measurements) -> Iterable[str]:
    ratio, p99 = found.times.ratio(1, to=0), float(np.percentile(found.difference.changes, 99))
    largest, rounds = float(found.difference.changes.max()), len(found.times.seconds)
    is_faster = ratio < WORTHWHILE
    yield (
        f"{'Faster' if is_faster else 'Not faster'}: int8 takes {ratio:.2f} times as long as float32 on this machine "
        f"(median of {rounds} calls in turn)."
    )
    yield f"The file is {len(young.model) / len(bundle.model):.2f} times as large."
    is_worse = p99 > WORST_P99
    yield (
        f"{'Worse' if is_worse else 'Alike'}: probabilities change by at most {largest:.3f}, 99 % by {p99:.3f}; "
        f"{found.difference.changed} of {found.difference.decisions} decisions change."
    )
    if loss := found.loss:
        is_worse |= loss.value > WORST_LOSS
        yield f"{LOSS}: {loss.value:.3f} ({loss.low:.3f} to {loss.high:.3f})."
    else:
        yield "What macro-F1 it costs was not measured: that takes the folds' models, for this one has learnt from all."
    if is_worse or not is_faster:
        yield f"Use the float bundle: int8 is {' and '.join(_reasons(is_faster=is_faster, is_worse=is_worse))}."
    else:
        yield "Use the int8 bundle on machines like this one; measure on yours with `anura-export bench`."


def _reasons(*, is_faster: bool, is_worse: bool) -> Iterable[str]:
    if not is_faster:
        yield "no faster here"
    if is_worse:
        yield "worse"
