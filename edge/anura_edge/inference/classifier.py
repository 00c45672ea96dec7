"""Runs a bundle's model in ONNX Runtime: blocks of audio in, scores out."""

from typing import Protocol

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.dsp.framer import AudioBlock, Framer
from anura_edge.events import Scores
from anura_edge.inference.manifest import Manifest
from anura_edge.inference.tensorrt import Session


class Classifier(Protocol):
    """Scores audio. Both kinds of model have this interface."""

    def score(self, block: AudioBlock) -> Scores:
        """Score the next block of a stream."""

    def reset(self) -> None:
        """Begin a new stream."""


class WindowClassifier:
    """A model that scores each window independently.

    A CPU scores one window at a time: a batch of 10 is not faster, and BirdNET needs 120 MB more for it. On a GPU the
    windows of a block form one batch.
    """

    def __init__(self, session: Session, manifest: Manifest, provider: str, padding: int = 0) -> None:
        """Append `padding` zeros to each window, if the graph takes longer windows than the manifest says."""
        self._session, self._manifest, self._padding = session, manifest, padding
        self.provider = provider
        """Name of the provider that runs the model."""

    def score(self, block: AudioBlock) -> Scores:
        """Score each window of the block."""
        m = self._manifest
        windows = np.lib.stride_tricks.sliding_window_view(block.samples, m.window_samples)[:: m.hop_samples]
        batch = 1 if self.provider == "cpu" else len(windows)
        parts = [self._run(windows[first : first + batch]) for first in range(0, len(windows), batch)]
        return _scores(np.concatenate(parts), windows, block, m)

    def _run(self, windows: FloatArray) -> FloatArray:
        padded = np.pad(windows, ((0, 0), (0, self._padding))) if self._padding else np.ascontiguousarray(windows)
        return self._session.run(["probabilities"], {"audio": padded})[0]

    def with_window(self, manifest: Manifest) -> "WindowClassifier":
        """Return a classifier for the window and hop of another manifest. Its window must not be longer."""
        padding = self._padding + self._manifest.window_samples - manifest.window_samples
        return WindowClassifier(self._session, manifest, self.provider, padding)

    def reset(self) -> None:
        """Do nothing: windows are independent."""

    def clone(self) -> "WindowClassifier":
        """Return itself: it has no state."""
        return self


class StreamClassifier:
    """A model that carries a state. Every frame is computed once, for blocks of any length."""

    def __init__(self, session: Session, manifest: Manifest, provider: str) -> None:
        self._session, self._manifest = session, manifest
        self.provider = provider
        """Name of the provider that runs the model."""
        self._outputs = ["probabilities", *(f"{state.name}_out" for state in manifest.states)]
        self._states = _zeros(manifest)
        self._waiting: FloatArray = np.zeros(0, np.float32)
        """Power of the newest frames, for which the model has no scores yet."""

    def score(self, block: AudioBlock) -> Scores:
        """Score a block and move the state to its end. The scores are late by the model's lookahead."""
        m = self._manifest
        probabilities, *states = self._session.run(self._outputs, {"audio": block.samples[None], **self._states})
        self._states = dict(zip(self._states, states, strict=True))
        scores = _scores(probabilities[0], block.samples.reshape(-1, m.hop_samples), block, m)
        return self._shift(scores) if m.lookahead_samples else scores

    def _shift(self, scores: Scores) -> Scores:
        """Move frames back by the lookahead. The first frames describe audio before the stream and are dropped."""
        power = np.concatenate([self._waiting, scores.power])
        first_sample = scores.first_sample - len(self._waiting) * scores.hop_samples
        finished = max(0, len(power) - self._manifest.lookahead_samples // scores.hop_samples)
        self._waiting = power[finished:]
        frames = scores.probabilities[len(scores.probabilities) - finished :]
        return Scores(frames, power[:finished], first_sample, scores.hop_samples, scores.frame_samples)

    def reset(self) -> None:
        """Set the state to zeros, as at the start of each training example."""
        self._states = _zeros(self._manifest)
        self._waiting = np.zeros(0, np.float32)

    def clone(self) -> "StreamClassifier":
        """Return a classifier for another stream. Both may score at the same time."""
        return StreamClassifier(self._session, self._manifest, self.provider)


Model = WindowClassifier | StreamClassifier
"""A bundle's model of either kind. Its clones share the memory of the weights."""


def _zeros(manifest: Manifest) -> dict[str, FloatArray]:
    return {state.name: np.zeros((1, *state.shape), np.float32) for state in manifest.states}


def _scores(probabilities: FloatArray, frames: FloatArray, block: AudioBlock, manifest: Manifest) -> Scores:
    """Make scores; `frames` is the audio of each frame, shape (frames, samples)."""
    power = np.vecdot(frames, frames) / manifest.window_samples
    return Scores(probabilities, power, block.start_sample, manifest.hop_samples, manifest.window_samples)


def frames_in(manifest: Manifest, block_s: float) -> int:
    """Return the number of frames in about `block_s` seconds, at least one."""
    return max(1, round(block_s * manifest.rate_hz / manifest.hop_samples))


def make_framer(manifest: Manifest, frames: int, slack: int = 0) -> Framer:
    """Return a framer for the model: blocks of `frames` frames, with `slack` more or fewer."""
    return Framer(manifest.window_samples, manifest.hop_samples, frames, slack, manifest.lookahead_samples)
