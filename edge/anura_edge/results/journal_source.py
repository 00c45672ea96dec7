"""A journal as a source of rows for the formats, as the database of a base station is one."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from anura_edge.events import EffortState
from anura_edge.results.formats.parts import FormatContext, RowValues
from anura_edge.results.formats.row_texts import known_night
from anura_edge.results.formats.source import Deployment, NightHours
from anura_edge.results.journal_reader import JournalReader


@dataclass(frozen=True, slots=True)
class JournalSource:
    """The selected rows of one snapshot of a journal; see `ResultSource`."""

    reader: JournalReader
    context: FormatContext

    def calls(self) -> Iterator[RowValues]:
        """Yield the calls in the order of their recordings."""
        return self.reader.calls(self.context)

    def events(self) -> Iterator[RowValues]:
        """Yield the calls in the order of their recordings. A journal does not know when a call was stored."""
        return self.reader.calls(self.context)

    def effort(self) -> Iterator[RowValues]:
        """Yield the effort in the order of time."""
        return self.reader.effort_rows(self.context)

    def deployments(self) -> list[Deployment]:
        """Return all deployments."""
        spans: dict[tuple[str, str, bool], tuple[datetime, datetime]] = {}
        for recording in self.reader.recordings(self.context):
            key = recording["site"], recording["device"], recording["unknown"]
            begin, end = recording["start_utc"], recording["start_utc"] + timedelta(seconds=recording["length_s"])
            first, last = spans.get(key, (begin, end))
            spans[key] = min(first, begin), max(last, end)
        return [
            Deployment(site, device, first, last, unknown_clock=unknown)
            for (site, device, unknown), (first, last) in sorted(spans.items())
        ]

    def recordings(self) -> Iterator[RowValues]:
        """Yield every recording."""
        return self.reader.recordings(self.context)

    def taxa(self) -> list[str]:
        """Return the scientific names of the calls."""
        return sorted({call["scientific_name"] for call in self.calls()} - {""})

    def analysed_hours(self) -> NightHours:
        """Return the hours analysed in each night."""
        hours: defaultdict[tuple[str, str], defaultdict[date, float]] = defaultdict(lambda: defaultdict(float))
        for piece in self.effort():
            night = known_night(piece, self.context) if piece["state"] == EffortState.ANALYSED else None
            if night is not None:
                hours[piece["site"], piece["device"]][night] += piece["samples"] / piece["rate_hz"] / 3_600
        return hours
