"""The summary of an interval for thin links, made from a journal."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from anura_edge.audio import ClockSource
from anura_edge.events import EffortState
from anura_edge.results.journal_reader import JournalReader
from anura_edge.results.tables.nightly import calling_index, seconds_by_minute
from anura_edge.wire.summary import SpeciesSummary, Summary


def summarise(reader: JournalReader, labels: Sequence[str], begin_utc: datetime, length_min: int) -> Summary:
    """Return the summary of an interval that begins at a full minute. `labels` are those of the bundle, in its order.

    Audio whose time is not known is in no interval. A label that the bundle lacks is left out, and `is_cut` says so.
    """
    end_utc = begin_utc + timedelta(minutes=length_min)
    numbers = {label: number for number, label in enumerate(labels)}
    seconds: defaultdict[str, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    for bout in reader.bouts():
        start, stop = max(bout.start_utc, begin_utc), min(bout.end_utc, end_utc)
        for minute, part_s in seconds_by_minute(start, stop) if start < stop else ():
            seconds[bout.label][minute] += part_s
    species = [
        SpeciesSummary(numbers[label], max(map(calling_index, minutes.values())), len(minutes))
        for label, minutes in seconds.items()
        if label in numbers
    ]
    return Summary(
        begin_utc,
        length_min,
        _analysed_min(reader, begin_utc, end_utc),
        reader.least_trusted_clock(begin_utc, end_utc) or ClockSource.UNKNOWN,
        reader.model.sha256,
        species,
        is_cut=len(species) < len(seconds),
    )


def _analysed_min(reader: JournalReader, begin_utc: datetime, end_utc: datetime) -> int:
    """Return the minutes analysed, rounded down: a summary never claims more than was done."""
    spans = (
        min(each.end_utc, end_utc) - max(each.start_utc, begin_utc)
        for each in reader.effort()
        if each.state == EffortState.ANALYSED
    )
    return int(sum((max(span, timedelta(0)) for span in spans), timedelta(0)) / timedelta(minutes=1))
