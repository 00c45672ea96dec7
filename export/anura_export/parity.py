"""Proves that an exported model is the trained one, whatever the chunks."""

from dataclasses import dataclass

import numpy as np
import torch

from anura_edge.audio import FloatArray
from anura_edge.bundle import Bundle
from anura_edge.classifier import load_classifier, score_all
from anura_edge.errors import ModelError
from anura_train.models import Net

TOLERANCE = 1e-4
"""Largest change of a probability; float32 sums in another order differ by about 1e-7."""

_SECONDS, _CHUNKINGS = 20.0, 8


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest differences of a probability."""

    torch_to_onnx: float
    chunked_to_whole: float


def check_parity(model: Net, bundle: Bundle, seed: int = 0) -> Parity:
    """Score noise of changing loudness in torch, in ONNX Runtime in one piece, and in random chunks.

    Raises ModelError where they differ by more than TOLERANCE.
    """
    rng = np.random.default_rng(seed)
    audio = _audio(rng, round(_SECONDS * bundle.manifest.rate_hz))
    classifier = load_classifier(bundle)
    whole = score_all(bundle, classifier, audio, rows=10_000)
    with torch.no_grad():
        expected = torch.sigmoid(model.rows(torch.from_numpy(audio))).numpy()
    chunked = [score_all(bundle, classifier, audio, rows=int(rng.integers(1, 40))) for _ in range(_CHUNKINGS)]
    parity = Parity(
        torch_to_onnx=float(np.abs(whole - expected).max()),
        chunked_to_whole=max(float(np.abs(whole - each).max()) for each in chunked),
    )
    if not max(parity.torch_to_onnx, parity.chunked_to_whole) <= TOLERANCE:  # so that NaN fails, too
        raise ModelError(f"{bundle.path}: the exported model is not the trained one: {parity}; report this as a bug")
    return parity


def _audio(rng: np.random.Generator, samples: int) -> FloatArray:
    loudness = np.repeat(10 ** rng.uniform(-4, 0, -(-samples // 5_000)), 5_000)[:samples]
    return (rng.standard_normal(samples) * loudness).clip(-1, 1).astype(np.float32)
