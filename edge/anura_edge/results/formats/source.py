"""What the formats of whole data sets read: the journal of a device, or the database of a base station."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from anura_edge.results.formats.parts import RowValues


@dataclass(frozen=True, slots=True)
class Deployment:
    """A device at a site, during the time in which it recorded."""

    site: str
    device: str
    start: datetime
    end: datetime
    """The end of its last sound."""
    unknown_clock: bool
    """Whether it has the recordings whose clock source is `unknown`; the others are another deployment."""

    @property
    def id(self) -> str:
        """Its id in exports."""
        return deployment_id(self.site, self.device, unknown_clock=self.unknown_clock)


def deployment_id(site: str, device: str, *, unknown_clock: bool) -> str:
    """Return the id of a deployment in exports."""
    return f"{site}:{device}:unknown-clock" if unknown_clock else f"{site}:{device}"


NightHours = Mapping[tuple[str, str], Mapping[date, float]]
"""Hours analysed, by site and device, then by night."""


class ResultSource(Protocol):
    """Rows of results. Each call reads them again, in parts, so that any number of rows fits into memory."""

    def calls(self) -> Iterator[RowValues]:
        """Yield the calls in the order of their recordings, with `path` and `begin_s`."""

    def events(self) -> Iterator[RowValues]:
        """Yield the calls in the order in which they were stored."""

    def effort(self) -> Iterator[RowValues]:
        """Yield the pieces of effort in the order in which they were stored."""

    def deployments(self) -> list[Deployment]:
        """Return all deployments, by site, device and clock."""

    def recordings(self) -> Iterator[RowValues]:
        """Yield every recording with effort or calls, in the order of `calls`.

        Its columns: site, device, recording, recording_name, path, start_utc, rate_hz, channels, length_s, and unknown,
        which says whether its clock source is `unknown`.
        """

    def taxa(self) -> list[str]:
        """Return the scientific names of the calls, in alphabetical order."""

    def analysed_hours(self) -> NightHours:
        """Return the hours analysed in each night. A piece of effort belongs to the night in which it begins.

        Pieces without a known time, or without the zone of their site, are in no night.
        """
