"""Time axis of a night."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from anura_base.analysis.night_timeline import Interval, merge_intervals

PIXELS = 1_200
"""Approximate width of a screen. Shorter intervals and gaps are not drawn."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Horizontal axis: positions between the left edge (begin) and the right edge (end), in percent."""

    begin: float
    """Left edge, Unix time in seconds."""
    end: float
    """Right edge, Unix time in seconds."""
    zone: str
    """Time zone of the labels."""

    def position(self, moment: float | datetime) -> str:
        """Return the position of a moment, in percent."""
        seconds = moment.timestamp() if isinstance(moment, datetime) else moment
        return f"{100 * (seconds - self.begin) / (self.end - self.begin):.3f}%"

    def width(self, span: Interval) -> str:
        """Return the width of an interval, in percent. It is at least one pixel."""
        return f"{100 * max((span[1] - span[0]) / (self.end - self.begin), 1 / PIXELS):.3f}%"

    def clock(self, seconds: float, form: str = "%H:%M") -> str:
        """Format a moment in the local time of the site."""
        return datetime.fromtimestamp(seconds, ZoneInfo(self.zone)).strftime(form)

    def merge_close(self, spans: Sequence[Interval]) -> list[Interval]:
        """Merge intervals that are less than one pixel apart."""
        return merge_intervals(spans, (self.end - self.begin) / PIXELS)

    @property
    def hours(self) -> list[tuple[float, str]]:
        """Return the moments with a grid line, and their labels in local time."""
        step_s = 3_600 if self.end - self.begin <= 16 * 3_600 else 7_200
        first = -(-int(self.begin) // step_s) * step_s
        moments = (float(moment) for moment in range(first, int(self.end), step_s))
        return [(moment, self.clock(moment)) for moment in moments if self.begin < moment < self.end]
