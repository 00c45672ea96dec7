"""Differences between the probabilities of two bundles on the same audio."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.golden import score_all
from anura_edge.inference.loading import load_classifier
from anura_edge.inference.manifest import Manifest, Parity, ProbabilityChange

MAX_LISTED_LABELS = 200
"""With more labels, a manifest has only the overall change."""


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityChanges:
    """Differences between two bundles on the same frames."""

    absolute: FloatArray
    """Shape (frames, labels): |p - q|."""
    changed: int
    """Number of decisions that differ."""
    decisions: int
    """A decision: whether the highest probability of a label in a clip reaches its threshold."""


def compare_bundles(bundle: Bundle, against: Bundle, clips: Iterable[FloatArray]) -> ProbabilityChanges:
    """Score clips (samples,), each as a separate stream, with both; ModelError if labels or frames do not match."""
    manifest, other = bundle.manifest, against.manifest
    for field in ("labels", "rate_hz", "window_samples", "hop_samples", "lookahead_samples"):
        if _codes(manifest, field) != _codes(other, field):
            raise ModelError(f"{bundle.path} and {against.path} differ in {field}; compare versions of one model")
    classifiers = load_classifier(bundle), load_classifier(against)
    thresholds = np.array([label.threshold for label in manifest.labels])
    changes, changed, decisions = [], 0, 0
    for clip in clips:
        left, right = score_all(bundle, classifiers[0], clip), score_all(against, classifiers[1], clip)
        changes.append(np.abs(left - right))
        flips = (left.max(0) >= thresholds) != (right.max(0) >= thresholds)
        changed, decisions = changed + int(flips.sum()), decisions + len(flips)
    return ProbabilityChanges(np.concatenate(changes), changed, decisions)


def summarise_parity(changes: FloatArray, codes: Iterable[str], against: str, audio: str) -> Parity:
    """Summarise changes (frames, labels) for a manifest, overall and by label up to MAX_LISTED_LABELS."""
    columns = zip(codes, changes.T, strict=True) if changes.shape[1] <= MAX_LISTED_LABELS else ()
    return Parity(
        against=against,
        audio=audio,
        overall=_change(changes),
        labels={code: _change(column) for code, column in columns},
    )


def _change(changes: FloatArray) -> ProbabilityChange:
    return ProbabilityChange(largest=float(changes.max()), p99=float(np.percentile(changes, 99)))


def _codes(manifest: Manifest, field: str) -> object:
    return [label.code for label in manifest.labels] if field == "labels" else getattr(manifest, field)
