"""Decides by date whether a species can be at the place of a recording, from the scores of BirdNET's range model."""

from datetime import datetime

from anura_edge.audio import ClockSource
from anura_edge.inference.manifest import Label


def week_of_year(moment: datetime) -> int:
    """Return the week of a time as the range model counts them: 48 in a year, four in each month, from 0."""
    return 4 * (moment.month - 1) + min((moment.day - 1) // 7, 3)


def can_occur(label: Label, moment: datetime, clock_source: ClockSource, min_score: float) -> bool:
    """Tell whether a label's range score in the week of a time is at least `min_score`.

    Also true without a reliable date, and for a label without range scores.
    """
    if not label.week_scores or clock_source in (ClockSource.UNKNOWN, ClockSource.FILE):
        return True
    return label.week_scores[week_of_year(moment)] >= min_score
