"""What the writers of formats take and yield."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
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
    written_utc: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the file is written."""
    program: str = "anura-edge"
    """Name of the program that writes it."""
    position_remedy: str = "write --latitude and --longitude, or name a table of sites with --sites"
    """What to do if the position of a site is missing."""

    def place(self, name: str) -> Place | None:
        """Return where a site is. None if that is unknown."""
        return self.sites.get(name)

    def has_position(self, site: str) -> bool:
        """Return whether the position of a site is known."""
        place = self.place(site)
        return place is not None and place.latitude_deg is not None and place.longitude_deg is not None

    def position_deg(self, site: str) -> tuple[float, float]:
        """Return latitude and longitude of a site whose position is known."""
        place = self.place(site)
        return (place.latitude_deg or 0.0, place.longitude_deg or 0.0) if place else (0.0, 0.0)

    def title(self, site: str) -> str:
        """Return the name of a site for people."""
        return site

    def habitat(self, site: str) -> str:  # noqa: ARG002 (a base station knows it)
        """Return the habitat of a site. Empty if it is unknown."""
        return ""

    def zone(self, row: RowValues) -> str:
        """Return the time zone of a row's site. Empty if it is unknown."""
        place = self.place(row["site"])
        return place.zone if place else ""

    def night(self, row: RowValues) -> date | None:
        """Return the date of the night in which a row begins. None if the zone of its site is unknown."""
        place = self.place(row["site"])
        return night_date(row["start_utc"], place) if place else None
