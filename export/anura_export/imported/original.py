"""Runs an ONNX classifier as it was given, and compares the bundle that was made of it."""

import numpy as np
import onnxruntime as ort

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.golden import score_all
from anura_edge.inference.loading import load_classifier
from anura_export.bundles.parity import TOLERANCE, ParityProof
from anura_export.imported.activation import Activation
from anura_export.imported.graph import ScoreGraph

_PROOF_WINDOWS = 4
"""Windows of noise with which the graphs are compared."""


class OriginalModel:
    """The graph as it was given, run by ONNX Runtime."""

    def __init__(self, graph: ScoreGraph, activation: Activation, window_samples: int) -> None:
        self._graph, self._activation, self._window_samples = graph, activation, window_samples
        try:
            self._session = ort.InferenceSession(graph.model.SerializeToString(), providers=["CPUExecutionProvider"])
        except Exception as error:  # exceptions of onnxruntime have no narrower base class
            raise ModelError(f"{graph.source}: onnxruntime cannot load it: {error}; export it again") from error

    def __call__(self, windows: FloatArray) -> FloatArray:
        """Return probabilities, (windows, labels), of audio, (windows, samples)."""
        try:
            scores = [self._session.run([self._graph.output], {self._graph.input: each[None]})[0] for each in windows]
        except Exception as error:  # as above
            raise ModelError(
                f"{self._graph.source} cannot score a window of {self._window_samples:,} samples: {error}; correct "
                "--rate and --window"
            ) from error
        found = np.concatenate(scores).astype(np.float64)
        if self._activation is Activation.SIGMOID:
            found = 1 / (1 + np.exp(-found))
        if self._activation is Activation.SOFTMAX:
            found = np.exp(found - found.max(1, keepdims=True))
            found /= found.sum(1, keepdims=True)
        return np.asarray(found, np.float32)

    def check(self, bundle: Bundle) -> ParityProof:
        """Compare the bundle with the given graph on noise of varying level. Raises ModelError if they differ."""
        m, rng = bundle.manifest, np.random.default_rng(0)
        samples = m.window_samples + (_PROOF_WINDOWS - 1) * m.hop_samples
        level = np.repeat(10 ** rng.uniform(-4, 0, -(-samples // 5_000)), 5_000)[:samples]
        audio = (rng.standard_normal(samples) * level).clip(-1, 1).astype(np.float32)
        classifier = load_classifier(bundle)
        whole, single = (score_all(bundle, classifier, audio, frames=frames) for frames in (_PROOF_WINDOWS, 1))
        windows = np.stack([audio[n * m.hop_samples :][: m.window_samples] for n in range(_PROOF_WINDOWS)])
        changes = np.abs(whole[:_PROOF_WINDOWS] - self(windows))
        proof = ParityProof(changes, float(np.abs(whole - single).max()), f"{_PROOF_WINDOWS} windows of noise")
        if not max(proof.torch_to_onnx, proof.chunked_to_whole) <= TOLERANCE:  # written so that NaN fails too
            raise ModelError(
                f"{self._graph.source}: scores of the bundle differ by {proof.torch_to_onnx:.2g} from the given, by "
                f"{proof.chunked_to_whole:.2g} between chunk lengths; export it for one window, or for any number"
            )
        return proof
