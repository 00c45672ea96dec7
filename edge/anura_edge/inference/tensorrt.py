"""Runs a model with few input shapes only: TensorRT builds an engine for minutes for each new shape.

A stream is split into blocks of the declared lengths, and its state passes from one to the next: its scores are the
same. Windows are independent, so a batch is filled with silence to the next size, and those scores are dropped.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.manifest import Manifest

STREAM_FRAMES = 128, 8, 1
"""Frames in one call of a stream model: for a card, for a microphone, and for the rest."""

WINDOW_BATCHES = 16, 1
"""Windows in one call of a window model: for a card, for a microphone."""


class Session(Protocol):
    """Runs a graph: an ONNX Runtime session, or `FixedShapes` around one."""

    def run(self, outputs: list[str], feeds: dict[str, FloatArray], /) -> list[FloatArray]:
        """Return outputs by name for inputs by name."""


class FixedShapes:
    """A session that is called with the declared shapes only."""

    def __init__(self, session: Session, manifest: Manifest) -> None:
        self._session, self._manifest = session, manifest

    def run(self, outputs: list[str], feeds: dict[str, FloatArray]) -> list[FloatArray]:
        """Return what the session would return for all feeds in one call."""
        return self._windows(outputs, feeds) if self._manifest.kind == "window" else self._stream(outputs, feeds)

    def _stream(self, outputs: list[str], feeds: dict[str, FloatArray]) -> list[FloatArray]:
        audio, hop = feeds["audio"], self._manifest.hop_samples
        states = {name: value for name, value in feeds.items() if name != "audio"}
        ends = [0, *np.cumsum([*split_sizes(audio.shape[1] // hop, STREAM_FRAMES)]).tolist()]
        parts = []
        for first, last in pairwise(ends):
            block = np.ascontiguousarray(audio[:, first * hop : last * hop])
            part, *new_states = self._session.run(outputs, {"audio": block, **states})
            parts.append(part)
            states = dict(zip(states, new_states, strict=True))
        return [np.concatenate(parts, axis=1), *states.values()]

    def _windows(self, outputs: list[str], feeds: dict[str, FloatArray]) -> list[FloatArray]:
        audio, max_windows = feeds["audio"], max(WINDOW_BATCHES)
        parts = []
        for first in range(0, len(audio), max_windows):
            batch = audio[first : first + max_windows]
            size = min(windows for windows in WINDOW_BATCHES if windows >= len(batch))
            padded = np.pad(batch, ((0, size - len(batch)), (0, 0)))
            parts.append(self._session.run(outputs, {"audio": padded})[0][: len(batch)])
        return [np.concatenate(parts)]


def split_sizes(frames: int, sizes: Sequence[int]) -> Iterator[int]:
    """Split a number of frames into as few blocks of the given sizes as possible, largest first. The last size is 1."""
    for size in sizes:
        yield from [size] * (frames // size)
        frames %= size


def engine_shapes(manifest: Manifest) -> list[dict[str, tuple[int, ...]]]:
    """Return the shapes of all inputs, by name, that `FixedShapes` uses, the largest first."""
    if manifest.kind == "window":
        return [{"audio": (windows, manifest.window_samples)} for windows in WINDOW_BATCHES]
    states = {state.name: (1, *state.shape) for state in manifest.states}
    return [{"audio": (1, frames * manifest.hop_samples), **states} for frames in STREAM_FRAMES]


def tensorrt_options(bundle: Bundle) -> dict[str, str]:
    """Return the options of ONNX Runtime's TensorRT provider for a bundle: one engine for all shapes, and int8.

    The names are those of ONNX Runtime's documentation, "TensorRT Execution Provider". An int8 graph contains its own
    ranges (QDQ); TensorRT uses them where they are symmetric.
    """
    largest, *_, smallest = engine_shapes(bundle.manifest)
    profile = {"trt_profile_min_shapes": smallest, "trt_profile_opt_shapes": largest, "trt_profile_max_shapes": largest}
    precision = {"trt_int8_enable": "1"} if bundle.manifest.precision == "int8" else {}
    return {name: _text(shapes) for name, shapes in profile.items()} | precision


def _text(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes.items())
