"""Checks that the exported model gives the scores of the trained one, for any chunk length."""

from dataclasses import dataclass

import numpy as np
import torch

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.golden import score_all
from anura_edge.inference.loading import load_classifier
from anura_train.models import Net
from anura_train.models.window import WindowNet

TOLERANCE = 1e-4
"""Largest allowed change of a probability; float32 sums in another order differ by about 1e-7."""

_STREAM_S, _STREAM_CHUNKINGS = 20.0, 8
_WINDOW_S, _WINDOW_CHUNKINGS = 5.0, 1
"""Three windows, in one batch and in smaller ones: the largest networks need a second for each."""


@dataclass(frozen=True, slots=True, eq=False)
class ParityProof:
    """Differences between the exported and the trained model."""

    changes: FloatArray
    """Shape (frames, labels): |p - q| between torch and ONNX Runtime, with the audio as one chunk."""
    chunked_to_whole: float
    """Largest |p - q| between several chunks and one."""
    audio: str
    """Description of the audio for the model card."""

    @property
    def torch_to_onnx(self) -> float:
        """Largest of these changes."""
        return float(self.changes.max())


def check_parity(model: Net, bundle: Bundle, seed: int = 0) -> ParityProof:
    """Score noise of varying level in torch, in ONNX Runtime as one chunk, and in random chunks.

    Raises ModelError if they differ by more than TOLERANCE.
    """
    streams = bundle.manifest.kind == "stream"
    seconds, chunkings = (_STREAM_S, _STREAM_CHUNKINGS) if streams else (_WINDOW_S, _WINDOW_CHUNKINGS)
    rng = np.random.default_rng(seed)
    audio = _audio(rng, round(seconds * bundle.manifest.rate_hz))
    classifier = load_classifier(bundle)
    whole = score_all(bundle, classifier, audio, frames=10_000)
    with torch.no_grad():
        score = model.window_logits if isinstance(model, WindowNet) else model.predict  # the device averages frames
        expected = torch.sigmoid(score(torch.from_numpy(audio))).numpy()
    sizes = rng.integers(1, 40 if streams else len(whole), chunkings)
    chunked = [score_all(bundle, classifier, audio, frames=int(size)) for size in sizes]
    proof = ParityProof(
        changes=np.abs(whole - expected),
        chunked_to_whole=max(float(np.abs(whole - each).max()) for each in chunked),
        audio=f"{seconds:g} s of noise of varying level",
    )
    if not max(proof.torch_to_onnx, proof.chunked_to_whole) <= TOLERANCE:  # written so that NaN fails too
        raise ModelError(
            f"{bundle.path}: the exported model differs from the trained one: probabilities by "
            f"{proof.torch_to_onnx:.2g} from torch, by {proof.chunked_to_whole:.2g} between chunk lengths; "
            "report this as a bug"
        )
    return proof


def _audio(rng: np.random.Generator, samples: int) -> FloatArray:
    level = np.repeat(10 ** rng.uniform(-4, 0, -(-samples // 5_000)), 5_000)[:samples]
    return (rng.standard_normal(samples) * level).clip(-1, 1).astype(np.float32)
