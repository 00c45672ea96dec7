"""Turns frames of scores into detections: hysteresis per label, short gaps merged."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anura_edge.audio import level_dbfs
from anura_edge.events import Detection, Scores


@dataclass(frozen=True, slots=True)
class Rule:
    """When a label's detection begins and ends. Lengths are in samples of the model's rate."""

    on: float
    """Threshold: a detection needs a frame with at least this score."""

    off: float
    """Release threshold: a detection lasts from the first to the last frame around it with at least this score."""

    merge_gap: int
    """Two detections are merged if the gap between them is shorter than this."""

    max_length: int
    """A detection of this length is cut, so that an all-night chorus is reported while it lasts."""


class _Track:
    """The open detection of one label, if any. Frames are counted from the start of the stream."""

    def __init__(self, label: int, rule: Rule, hop: int, frame: int) -> None:
        self._label, self._rule, self._hop, self._frame = label, rule, hop, frame
        # The gap begins after the `frame` samples of the last frame above `off`.
        self._max_gap_frames = max(1, math.ceil((rule.merge_gap + frame - hop) / hop))
        self._reset()

    def _reset(self) -> None:
        self.is_open = False
        self._reached_on = False
        self._peak = self._p_sum = self._power_sum = 0.0
        self._onset = self._end = 0
        self._gap: list[tuple[float, float]] = []

    def update(self, frame: int, p: float, power: float) -> Detection | None:
        """Take the next frame. Return the detection that it ends."""
        if p >= self._rule.off:
            self._extend(frame, p, power)
            is_too_long = (self._end - self._onset) * self._hop >= self._rule.max_length
            return self.close(is_cut=True) if is_too_long else None
        if not self.is_open:
            return None
        self._gap.append((p, power))
        is_over = not self._reached_on or len(self._gap) >= self._max_gap_frames
        return self.close() if is_over else None

    def _extend(self, frame: int, p: float, power: float) -> None:
        if not self.is_open:
            self.is_open, self._onset = True, frame
        for gap_p, gap_power in (*self._gap, (p, power)):
            self._p_sum += gap_p
            self._power_sum += gap_power
        self._gap.clear()
        self._end = frame + 1
        self._reached_on = self._reached_on or p >= self._rule.on
        self._peak = max(self._peak, p)

    def close(self, *, is_cut: bool = False) -> Detection | None:
        """End the detection. Return it if it reached `on`. If it is cut, the next one begins at its offset."""
        detection = self._detection(self._hop if is_cut else self._frame) if self._reached_on else None
        self._reset()
        return detection

    def _detection(self, last_frame: int) -> Detection:
        frames = self._end - self._onset
        power = self._power_sum / frames
        return Detection(
            label=self._label,
            onset_sample=self._onset * self._hop,
            offset_sample=(self._end - 1) * self._hop + last_frame,
            p_peak=self._peak,
            p_mean=min(self._p_sum / frames, self._peak),
            level_dbfs=level_dbfs(power),
        )


class DetectionTracker:
    """Tracks every label through a stream. The result does not depend on how frames are grouped into Scores."""

    def __init__(self, rules: Sequence[Rule], hop_samples: int, frame_samples: int) -> None:
        self._rules = rules
        self._hop = hop_samples
        self._tracks = [_Track(label, rule, hop_samples, frame_samples) for label, rule in enumerate(rules)]

    def update(self, scores: Scores) -> Iterator[Detection]:
        """Yield the detections that these frames end, ordered by end and then by label."""
        first_frame = scores.first_sample // self._hop
        highest = scores.probabilities.max(axis=0, initial=0).tolist()
        ended: list[tuple[int, int, Detection]] = []
        for label, track in enumerate(self._tracks):
            if not track.is_open and highest[label] < self._rules[label].off:
                continue  # most labels, most of the time
            column = scores.probabilities[:, label].tolist()
            for frame, (p, power) in enumerate(zip(column, scores.power.tolist(), strict=True), start=first_frame):
                if detection := track.update(frame, p, power):
                    ended.append((frame, label, detection))
        yield from (detection for _, _, detection in sorted(ended, key=lambda entry: entry[:2]))

    def flush(self) -> Iterator[Detection]:
        """End the stream. Yield the open detections, by label."""
        yield from (detection for track in self._tracks if (detection := track.close()))
