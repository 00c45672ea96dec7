"""Scores the golden clip of a bundle and compares the result with the scores at export."""

from itertools import chain

import numpy as np
import soundfile as sf

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.classifier import Classifier, make_framer


def check_golden(bundle: Bundle, classifier: Classifier) -> None:
    """Raise ModelError if the scores of the golden clip are not those at export."""
    try:
        difference = golden_difference(bundle, classifier)
    except ModelError:
        raise
    except Exception as error:  # exceptions of onnxruntime, numpy and libsndfile have no narrower base class
        raise ModelError(f"{bundle.path}: cannot score the golden clip: {error}; export the bundle again") from error
    tolerance = bundle.manifest.golden_tolerance
    if not difference <= tolerance:  # also true for NaN
        raise ModelError(
            f"{bundle.path}: the scores of the golden clip differ by {difference:.2g}, more than {tolerance:g}, "
            "from those at export; do not use this bundle on this machine, export it again"
        )


def golden_difference(bundle: Bundle, classifier: Classifier) -> float:
    """Return the largest difference between the scores of the golden clip now and at export."""
    path, expected = bundle.golden()
    samples, rate_hz = sf.read(path, dtype="float32")
    if rate_hz != bundle.manifest.rate_hz:
        raise ModelError(f"{path} has {rate_hz} Hz, the model needs {bundle.manifest.rate_hz}; export the bundle again")
    found = score_all(bundle, classifier, samples)
    labels = len(bundle.manifest.labels)
    if found.shape[1:] != (labels,) or not ((found >= 0) & (found <= 1)).all():
        raise ModelError(f"{bundle.path}: the model does not return {labels} probabilities per frame; export it again")
    return float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")


def score_all(bundle: Bundle, classifier: Classifier, samples: FloatArray, frames: int = 20) -> FloatArray:
    """Score mono audio, shape (samples,), as a new stream in blocks of `frames`. Return shape (frames, labels)."""
    framer = make_framer(bundle.manifest, frames)
    classifier.reset()
    parts = [classifier.score(block) for block in chain(framer.feed(samples), framer.flush())]
    return np.concatenate([part.probabilities for part in parts])
