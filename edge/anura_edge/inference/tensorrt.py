"""Asks a model in few shapes only, whatever it is asked for: TensorRT builds an engine for minutes for each new one.

A stream is cut into pieces of the given sizes, and its state goes from one to the next: its scores are the same.
Windows, which stand alone, are filled up with silence to the next size, whose scores are thrown away.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.inference.bundle import Bundle, Manifest

STREAM_FRAMES = 128, 8, 1
"""Rows of scores in one call for a stream: of a card, of a microphone, and what is left."""

WINDOW_BATCHES = 16, 1
"""Windows in one call: of a card, of a microphone."""


class Session(Protocol):
    """What runs a graph: ONNX Runtime's session, or one that stands before it."""

    def run(self, outputs: list[str], feeds: dict[str, FloatArray], /) -> list[FloatArray]:
        """Return outputs by name for inputs by name."""


class FixedShapes:
    """A session that is asked in the declared shapes only."""

    def __init__(self, session: Session, manifest: Manifest) -> None:
        self._session, self._manifest = session, manifest

    def run(self, outputs: list[str], feeds: dict[str, FloatArray]) -> list[FloatArray]:
        """Return what the session would for all of the feeds at once."""
        return self._windows(outputs, feeds) if self._manifest.kind == "window" else self._stream(outputs, feeds)

    def _stream(self, outputs: list[str], feeds: dict[str, FloatArray]) -> list[FloatArray]:
        audio, hop = feeds["audio"], self._manifest.hop_samples
        states = {name: value for name, value in feeds.items() if name != "audio"}
        ends = [0, *np.cumsum([*split_sizes(audio.shape[1] // hop, STREAM_FRAMES)]).tolist()]
        parts = []
        for first, last in pairwise(ends):
            piece = np.ascontiguousarray(audio[:, first * hop : last * hop])
            part, *after = self._session.run(outputs, {"audio": piece, **states})
            parts.append(part)
            states = dict(zip(states, after, strict=True))
        return [np.concatenate(parts, axis=1), *states.values()]

    def _windows(self, outputs: list[str], feeds: dict[str, FloatArray]) -> list[FloatArray]:
        audio, most = feeds["audio"], max(WINDOW_BATCHES)
        parts = []
        for at in range(0, len(audio), most):
            part = audio[at : at + most]
            size = min(rows for rows in WINDOW_BATCHES if rows >= len(part))
            filled = np.pad(part, ((0, size - len(part)), (0, 0)))
            parts.append(self._session.run(outputs, {"audio": filled})[0][: len(part)])
        return [np.concatenate(parts)]


def split_sizes(rows: int, sizes: Sequence[int]) -> Iterator[int]:
    """Cut a number of rows into as few pieces of given sizes, the largest first, as it takes; the last size is 1."""
    for size in sizes:
        yield from [size] * (rows // size)
        rows %= size


def engine_shapes(manifest: Manifest) -> list[dict[str, tuple[int, ...]]]:
    """Return the shapes of all inputs, by name, in which `FixedShapes` asks, the largest first."""
    if manifest.kind == "window":
        return [{"audio": (rows, manifest.window_samples)} for rows in WINDOW_BATCHES]
    states = {state.name: (1, *state.shape) for state in manifest.states}
    return [{"audio": (1, rows * manifest.hop_samples), **states} for rows in STREAM_FRAMES]


def tensorrt_options(bundle: Bundle) -> dict[str, str]:
    """Return what ONNX Runtime's TensorRT provider has to know of a bundle: one engine for all shapes, and int8.

    The names are those of ONNX Runtime's documentation, "TensorRT Execution Provider". A graph in int8 carries its own
    ranges (QDQ); TensorRT takes them where they are symmetric.
    """
    most, *_, least = engine_shapes(bundle.manifest)
    profile = {"trt_profile_min_shapes": least, "trt_profile_opt_shapes": most, "trt_profile_max_shapes": most}
    precision = {"trt_int8_enable": "1"} if bundle.manifest.precision == "int8" else {}
    return {name: _text(shapes) for name, shapes in profile.items()} | precision


def _text(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes.items())
