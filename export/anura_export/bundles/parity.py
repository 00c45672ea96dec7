"""Proves that an exported model is the trained one, whatever the chunks."""

from dataclasses import dataclass

import numpy as np
import torch

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.golden import score_all
from anura_edge.inference.loading import load_classifier
from anura_train.models import Net

TOLERANCE = 1e-4
"""Largest change of a probability; float32 sums in another order differ by about 1e-7."""

_STREAM_S, _STREAM_CHUNKINGS = 20.0, 8
_WINDOW_S, _WINDOW_CHUNKINGS = 5.0, 1
"""Three windows, together and in smaller batches: the largest networks need a second for each."""


@dataclass(frozen=True, slots=True, eq=False)
class ParityProof:
    """How far the exported model is from the trained one."""

    changes: FloatArray
    """Shape (rows, labels): |p - q| between torch and ONNX Runtime, the audio in one piece."""
    chunked_to_whole: float
    """Largest |p - q| between the audio in pieces and in one."""
    audio: str
    """What was scored, in a sentence."""

    @property
    def torch_to_onnx(self) -> float:
        """Largest of the changes."""
        return float(self.changes.max())


def check_parity(model: Net, bundle: Bundle, seed: int = 0) -> ParityProof:
    """Score noise of changing loudness in torch, in ONNX Runtime in one piece, and in random chunks.

    Raises ModelError where they differ by more than TOLERANCE.
    """
    streams = bundle.manifest.kind == "stream"
    seconds, chunkings = (_STREAM_S, _STREAM_CHUNKINGS) if streams else (_WINDOW_S, _WINDOW_CHUNKINGS)
    rng = np.random.default_rng(seed)
    audio = _audio(rng, round(seconds * bundle.manifest.rate_hz))
    classifier = load_classifier(bundle)
    whole = score_all(bundle, classifier, audio, frames=10_000)
    with torch.no_grad():
        expected = torch.sigmoid(model.predict(torch.from_numpy(audio))).numpy()
    sizes = rng.integers(1, 40 if streams else len(whole), chunkings)
    chunked = [score_all(bundle, classifier, audio, frames=int(size)) for size in sizes]
    proof = ParityProof(
        changes=np.abs(whole - expected),
        chunked_to_whole=max(float(np.abs(whole - each).max()) for each in chunked),
        audio=f"{seconds:g} s of noise of changing loudness",
    )
    if not max(proof.torch_to_onnx, proof.chunked_to_whole) <= TOLERANCE:  # so that NaN fails, too
        raise ModelError(
            f"{bundle.path}: the exported model is not the trained one: probabilities differ by "
            f"{proof.torch_to_onnx:.2g} from torch's, by {proof.chunked_to_whole:.2g} with the chunks; "
            "report this as a bug"
        )
    return proof


def _audio(rng: np.random.Generator, samples: int) -> FloatArray:
    loudness = np.repeat(10 ** rng.uniform(-4, 0, -(-samples // 5_000)), 5_000)[:samples]
    return (rng.standard_normal(samples) * loudness).clip(-1, 1).astype(np.float32)
