"""Quantizes a bundle to int8, and measures whether the result is faster and how much its scores change."""

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
"""Above one of these limits int8 is reported as worse: 99th percentile of the changes of probabilities, and loss of
macro-F1."""

FASTER_RATIO = 0.95
"""int8 is reported as faster if it takes less than this share of the float model's time."""

MAX_TOLERANCE = 0.05
TIMING_S = 2.0


@dataclass(frozen=True, slots=True)
class QuantizedBundle:
    """An int8 bundle and its comparison with the float bundle."""

    bundle: Bundle
    verdict: tuple[str, ...]
    """Sentences: faster or not, worse or not, and which of the two bundles to use."""
    ratio: float
    """Time of int8 divided by the time of float32 on this machine."""


@dataclass(frozen=True, slots=True)
class _Measurements:
    """The measurements of an int8 model."""

    changes: ProbabilityChanges
    times: InterleavedTimes
    loss: Metric | None


def quantize(bundle: Bundle, corpus: Corpus, out: Path, trained: Path | None = None) -> QuantizedBundle:
    """Write the int8 version of a float bundle to OUT, which is replaced only after all checks have passed.

    Some recordings are used for the ranges, others for the comparison of the two models. With `trained`, the output
    folder of `anura-train fit` and `evaluate`, the loss of macro-F1 is measured out of fold. Raises ModelError for a
    bundle that cannot be quantized, SourceError for too few recordings.
    """
    load_classifier(bundle)
    selection, rate_hz = select_recordings(corpus), bundle.manifest.rate_hz
    graph = quantize_graph(bundle, range_clips(selection.ranges, rate_hz))
    with replace_bundle(out) as folder:
        int8_bundle = write_int8(bundle, graph, folder)
        measured = _Measurements(
            compare_bundles(int8_bundle, bundle, comparison_clips(selection.compared, rate_hz)),
            time_interleaved([bundle, int8_bundle], budget_s=TIMING_S),
            macro_f1_loss(bundle, corpus, trained) if trained else None,
        )
        manifest = _with_measurements(bundle, int8_bundle, selection, measured)
        verdict = tuple(_verdict(bundle, int8_bundle, measured))
        section = int8_section(manifest, cost_of(bundle, float(measured.times.medians[0])), verdict)
        card = (bundle.path / CARD).read_text(encoding="utf-8")
        (folder / CARD).write_text(f"{card}\n{section}", encoding="utf-8")
        write_hashed_manifest(folder, manifest)
    return QuantizedBundle(load_bundle(out), verdict, measured.times.ratio(1, to=0))


def write_int8(bundle: Bundle, graph: bytes, folder: Path) -> Bundle:
    """Write the bundle of an int8 graph into a folder, without its measurements."""
    (folder / GOLDEN_CLIP).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bundle.path / GOLDEN_CLIP, folder / GOLDEN_CLIP)
    for document in bundle.path.glob("*.md"):
        shutil.copyfile(document, folder / document.name)
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
    """Return the allowed difference of the golden scores on another machine.

    A runtime without an integer kernel computes with floats, and may round a value between two integers to the other
    one. Twice the change that this makes here is allowed.
    """
    samples: FloatArray = soundfile.read(bundle.path / GOLDEN_CLIP, dtype="float32")[0]
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
    kind = StreamClassifier if bundle.manifest.kind == "stream" else WindowClassifier
    as_floats = score_all(bundle, kind(session, bundle.manifest, "cpu"), samples)
    change = float(np.abs(as_floats - score_all(bundle, open_model(bundle), samples)).max())
    return min(max(GOLDEN_TOLERANCE, 2 * change), MAX_TOLERANCE)


def _with_measurements(
    bundle: Bundle, int8_bundle: Bundle, selection: RecordingSelection, measured: _Measurements
) -> Manifest:
    draft = int8_bundle.manifest
    audio = f"{describe(selection.compared)}, of other groups than those for the ranges"
    against = f"{MODEL} {bundle.model_sha256[:12]}"
    changes = {
        "parity": summarise_parity(measured.changes.absolute, (label.code for label in draft.labels), against, audio),
        "cost": cost_of(int8_bundle, float(measured.times.medians[1])),
        "metrics": (*draft.metrics, measured.loss) if measured.loss else draft.metrics,
    }
    return draft.model_copy(update=changes)


def _verdict(bundle: Bundle, int8_bundle: Bundle, measured: _Measurements) -> Iterable[str]:
    ratio, p99 = measured.times.ratio(1, to=0), float(np.percentile(measured.changes.absolute, 99))
    largest, rounds = float(measured.changes.absolute.max()), len(measured.times.seconds)
    is_faster = ratio < FASTER_RATIO
    yield (
        f"{'Faster' if is_faster else 'Not faster'}: int8 takes {ratio:.2f} times as long as float32 on this machine "
        f"(median of {rounds} alternating calls)."
    )
    yield f"The file is {len(int8_bundle.model) / len(bundle.model):.2f} times as large."
    is_worse = p99 > WORST_P99
    yield (
        f"{'Worse' if is_worse else 'Equal'}: probabilities change by at most {largest:.3f}, 99 % by {p99:.3f}; "
        f"{measured.changes.changed} of {measured.changes.decisions} decisions change."
    )
    if loss := measured.loss:
        is_worse |= loss.value > WORST_LOSS
        yield f"{LOSS}: {loss.value:.3f} ({loss.low:.3f} to {loss.high:.3f})."
    else:
        yield "The loss of macro-F1 was not measured: it needs the models of the folds (`--trained`)."
    if is_worse or not is_faster:
        yield f"Use the float bundle: int8 is {' and '.join(_reasons(is_faster=is_faster, is_worse=is_worse))}."
    else:
        yield "Use the int8 bundle on machines like this one; measure others with `anura-export bench`."


def _reasons(*, is_faster: bool, is_worse: bool) -> Iterable[str]:
    if not is_faster:
        yield "not faster here"
    if is_worse:
        yield "worse"
