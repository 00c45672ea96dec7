"""Adds up the effort of a recording: the state of every sample."""

from dataclasses import dataclass

from anura_edge.events import EffortState


@dataclass(frozen=True, slots=True)
class EffortSpan:
    """Consecutive samples of a recording with one state, at the recording's own rate."""

    state: EffortState
    first_sample: int
    samples: int
    energy: float | None = None
    """Sum of the squares of the samples. None if a part was not measured."""


class EffortLedger:
    """Adds up the spans of one recording. Neighbours with the same state are merged."""

    def __init__(self) -> None:
        self._open: EffortSpan | None = None
        self._closed: list[EffortSpan] = []
        self.end_sample = 0
        """Everything before this sample is accounted for."""

    def add(self, state: EffortState, until_sample: int, energy: float | None = None) -> None:
        """Account for the samples from `end_sample` to before `until_sample`, with their energy if it was measured."""
        samples = until_sample - self.end_sample
        if samples <= 0:
            return
        if self._open and self._open.state == state:
            total = None if energy is None or self._open.energy is None else self._open.energy + energy
            self._open = EffortSpan(state, self._open.first_sample, self._open.samples + samples, total)
        else:
            self._close()
            self._open = EffortSpan(state, self.end_sample, samples, energy)
        self.end_sample = until_sample

    def take(self) -> list[EffortSpan]:
        """Remove and return all spans since the last call."""
        self._close()
        closed, self._closed = self._closed, []
        return closed

    def peek(self, state: EffortState, until_sample: int) -> list[EffortSpan]:
        """Return what `take` would return after this `add`, but change nothing."""
        ahead = EffortLedger()
        ahead._open, ahead._closed, ahead.end_sample = self._open, [*self._closed], self.end_sample
        ahead.add(state, until_sample)
        return ahead.take()

    def _close(self) -> None:
        if self._open:
            self._closed.append(self._open)
            self._open = None
