"""What the writers of formats take and yield."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from anura_edge.nights import Place, night_date

CHUNK_ROWS = 5_000

RowValues = Mapping[str, Any]
"""A row of an event or of effort, by column, with its verdict and the correction of its clock.

A row of a call has also the `path` of its recording and `begin_s`, the seconds of all recordings before it.
"""


class FilePart(NamedTuple):
    """Some bytes of an exported file, and the number of rows in them."""

    data: bytes
    rows: int


@dataclass(frozen=True, slots=True)
class FormatContext:
    """Data that a format needs in addition to its rows."""

    sites: Mapping[str, Place]
    recordings: str = ""
    """Folder with the recordings, for the formats that name their paths. Empty: the folder of the exported file."""

    def place(self, name: str) -> Place | None:
        """Return where a site is. None if that is unknown."""
        return self.sites.get(name)

    def zone(self, row: RowValues) -> str:
        """Return the time zone of a row's site. Empty if it is unknown."""
        place = self.place(row["site"])
        return place.zone if place else ""

    def night(self, row: RowValues) -> date | None:
        """Return the date of the night in which a row begins. None if the zone of its site is unknown."""
        place = self.place(row["site"])
        return night_date(row["start_utc"], place) if place else None
