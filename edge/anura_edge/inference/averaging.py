"""Averages the scores of adjacent frames: a call is more certain if several overlapping windows contain it."""

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.events import Scores


def average_frames(probabilities: FloatArray, frames: int) -> FloatArray:
    """Return for each frame the mean of it and its neighbours, `frames` in all, of the same shape (frames, labels).

    At both ends the mean is over the frames that exist. `frames` is odd.
    """
    if frames == 1:
        return probabilities
    reach = frames // 2
    padded = np.pad(probabilities, ((reach, reach), (0, 0)))
    exists = np.pad(np.ones((len(probabilities), 1), np.float32), ((reach, reach), (0, 0)))
    # Added one after the other, so that each mean is rounded in the same way for any number of frames.
    total, count = np.zeros_like(probabilities), np.zeros((len(probabilities), 1), np.float32)
    for first in range(frames):
        total += padded[first : first + len(total)]
        count += exists[first : first + len(count)]
    return total / count


class FrameAverager:
    """Averages the frames of a stream. The result does not depend on how frames are grouped into Scores."""

    def __init__(self, frames: int) -> None:
        """`frames` is the odd number of frames in a mean; 1 changes nothing."""
        self._frames, self._reach = frames, frames // 2
        self._recent: Scores | None = None
        """The newest frames: those that wait for their neighbours, and before them the neighbours."""
        self._returned = 0
        """How many of the newest frames were returned already."""

    def feed(self, scores: Scores) -> Scores:
        """Take the next frames. Return those whose neighbours on both sides are known, or do not exist."""
        recent = _join(self._recent, scores) if self._recent else scores
        return self._take(recent, max(self._returned, len(recent.power) - self._reach))

    def flush(self) -> Scores | None:
        """End the stream. Return the remaining frames, or None if there was no frame."""
        return self._take(self._recent, len(self._recent.power)) if self._recent else None

    def _take(self, recent: Scores, end: int) -> Scores:
        """Return the frames before `end` that were not returned, and keep what later means need."""
        averaged = average_frames(recent.probabilities, self._frames)
        result = _part(recent, averaged, self._returned, end)
        kept = max(0, end - self._reach)
        self._recent, self._returned = _part(recent, recent.probabilities, kept, len(averaged)), end - kept
        return result


def _join(first: Scores, second: Scores) -> Scores:
    probabilities = np.concatenate([first.probabilities, second.probabilities])
    power = np.concatenate([first.power, second.power])
    return Scores(probabilities, power, first.first_sample, first.hop_samples, first.frame_samples)


def _part(scores: Scores, probabilities: FloatArray, start: int, end: int) -> Scores:
    """Return some frames, with other probabilities."""
    first_sample = scores.first_sample + start * scores.hop_samples
    return Scores(
        probabilities[start:end], scores.power[start:end], first_sample, scores.hop_samples, scores.frame_samples
    )
