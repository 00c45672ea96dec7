"""Turns rows of probabilities into calls: hysteresis for each label, gaps merged."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anura_edge.events import Detection, Scores

SILENCE_DBFS = -120.0
"""Level given to digital silence, below what 16 bits can hold, since its logarithm has none."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a label's call begins, lasts and ends. Durations are in samples of the model's rate."""

    on: float
    """A call needs a row with at least this probability."""

    off: float
    """It lasts from the first to the last row around that with at least this probability."""

    merge_gap: int
    """Calls that follow each other after less than this are one."""

    max_length: int
    """A call is cut when it gets this long, so that an all-night chorus is reported while it lasts."""


class _Track:
    """The call of one label that may be under way. Rows are counted from the start of the stream."""

    def __init__(self, label: int, rule: Rule, step: int, span: int) -> None:
        self._label, self._rule, self._step, self._span = label, rule, step, span
        # Rows below `off` until the silence after the last kept row, which speaks about `span` samples, is long enough.
        self._patience = max(1, math.ceil((rule.merge_gap + span - step) / step))
        self._clear()

    def _clear(self) -> None:
        self.open = False
        self._heard = False
        self._peak = self._p_sum = self._power_sum = 0.0
        self._onset = self._end = 0
        self._gap: list[tuple[float, float]] = []

    def update(self, row: int, p: float, power: float) -> Detection | None:
        """Take the next row; return the call that it ends."""
        if p >= self._rule.off:
            self._extend(row, p, power)
            too_long = (self._end - self._onset) * self._step >= self._rule.max_length
            return self.close(cut=True) if too_long else None
        if not self.open:
            return None
        self._gap.append((p, power))
        over = not self._heard or len(self._gap) >= self._patience
        return self.close() if over else None

    def _extend(self, row: int, p: float, power: float) -> None:
        if not self.open:
            self.open, self._onset = True, row
        for gap_p, gap_power in (*self._gap, (p, power)):
            self._p_sum += gap_p
            self._power_sum += gap_power
        self._gap.clear()
        self._end = row + 1
        self._heard = self._heard or p >= self._rule.on
        self._peak = max(self._peak, p)

    def close(self, *, cut: bool = False) -> Detection | None:
        """End the call here, when cut just where the next one may begin; return it, if it ever reached `on`."""
        call = self._call(self._step if cut else self._span) if self._heard else None
        self._clear()
        return call

    def _call(self, last_span: int) -> Detection:
        rows = self._end - self._onset
        power = self._power_sum / rows
        return Detection(
            label=self._label,
            onset_sample=self._onset * self._step,
            offset_sample=(self._end - 1) * self._step + last_span,
            p_peak=self._peak,
            p_mean=min(self._p_sum / rows, self._peak),
            level_dbfs=max(SILENCE_DBFS, 10 * math.log10(power)) if power > 0 else SILENCE_DBFS,
        )


class DetectionTracker:
    """Follow every label through a stream. The calls do not depend on how the rows were grouped into Scores."""

    def __init__(self, rules: Sequence[Rule], step: int, span: int) -> None:
        self._rules = rules
        self._step = step
        self._tracks = [_Track(label, rule, step, span) for label, rule in enumerate(rules)]

    def update(self, scores: Scores) -> Iterator[Detection]:
        """Yield the calls that these rows end, by time of ending and then by label."""
        first_row = scores.first_sample // self._step
        loudest = scores.probabilities.max(axis=0, initial=0).tolist()
        ended: list[tuple[int, int, Detection]] = []
        for label, track in enumerate(self._tracks):
            if not track.open and loudest[label] < self._rules[label].off:
                continue  # most labels, most of the time
            column = scores.probabilities[:, label].tolist()
            for row, (p, power) in enumerate(zip(column, scores.power.tolist(), strict=True), start=first_row):
                if call := track.update(row, p, power):
                    ended.append((row, label, call))
        yield from (call for _, _, call in sorted(ended, key=lambda entry: entry[:2]))

    def flush(self) -> Iterator[Detection]:
        """End the stream: yield the calls that are under way, by label."""
        yield from (call for track in self._tracks if (call := track.close()))
