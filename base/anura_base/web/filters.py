"""Filters in the address of a page: sites, nights and species."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fastapi import HTTPException
from sqlalchemy import Connection

from anura_base.analysis.heatmaps import MAX_NIGHTS
from anura_base.analysis.known_nights import latest_night
from anura_base.config.settings import Site
from anura_edge.wire import FIRST_UTC, LAST_UTC

DEFAULT_NIGHTS = 30
"""Number of nights on a page without a filter."""


@dataclass(frozen=True, slots=True)
class NightRange:
    """Nights from the first to the last date, both included."""

    first: date
    last: date

    @property
    def nights(self) -> int:
        """Number of nights."""
        return (self.last - self.first).days + 1


def select_sites(sites: Mapping[str, Site], names: Sequence[str]) -> dict[str, Site]:
    """Return the sites with these names, or all sites if there are none."""
    return {name: sites[name] for name in sites if name in names} or dict(sites)


def select_nights(
    connection: Connection, sites: Mapping[str, Site], first: date | None, last: date | None
) -> NightRange:
    """Return the requested nights. Without dates these are the DEFAULT_NIGHTS nights up to the latest one with data.

    Raises HTTPException (422) if the last night is before the first.
    """
    if first and last and last < first:
        raise HTTPException(422, f"last: {last} is before first, {first}; exchange the two dates")
    end = last or latest_night(connection, sites)
    begin = min(first or end - timedelta(days=DEFAULT_NIGHTS - 1), end)
    return NightRange(max(begin, end - timedelta(days=MAX_NIGHTS - 1)), end)


def page_zone(sites: Mapping[str, Site]) -> str:
    """Return the time zone of a page about some sites: the one that all of them have, or else UTC."""
    zones = {site.zone for site in sites.values()}
    return zones.pop() if len(zones) == 1 else "UTC"


def parse_date(name: str, text: str) -> date | None:
    """Return the date in a parameter of the address, or None if it is empty.

    Raises HTTPException (422) if the text is not a date.
    """
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError as error:
        raise HTTPException(422, f"{name}: {text!r} is not a date; write it as in 2026-11-20") from error
    if found and not FIRST_UTC.year <= found.year <= LAST_UTC.year:
        raise HTTPException(422, f"{name}: {text!r} is not in the years from {FIRST_UTC.year} to {LAST_UTC.year}")
    return found
