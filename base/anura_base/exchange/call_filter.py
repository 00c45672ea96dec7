"""Which calls a page, an answer of the API or an export contains. All of them use this filter, so they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import groupby

from sqlalchemy import ColumnElement, Select, and_, false, or_, select

from anura_base.analysis.opinions import DISPUTED_EVENTS
from anura_base.analysis.rollup_tables import species_of
from anura_base.analysis.verdicts import IS_CURRENT, IS_RELABELLED, NEW_SPECIES, reviews
from anura_base.clips.tables import ClipState, clips
from anura_base.config.settings import Site
from anura_base.db.schema import events, unknown_clock
from anura_edge.events import Verdict
from anura_edge.nights import night


class VerdictFilter(StrEnum):
    """Which calls are selected by what people said about them."""

    ANY = "any"
    COUNTED = "counted"
    """All except the rejected ones, as in every sum."""
    UNREVIEWED = "unreviewed"
    CONFIRMED = "confirmed"
    """Those whose species a person confirmed or named."""
    REJECTED = "rejected"
    RELABELLED = "relabelled"
    DISPUTED = "disputed"
    """Those whose verdict is not the opinion of more than half of their reviewers."""


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Conditions that a call meets. An empty one selects all calls."""

    sites: tuple[str, ...] = ()
    device: str = ""
    species: str = ""
    """The species that the call counts as: a relabelled call has its new name."""
    first: date | None = None
    """The first night, in local time of the site."""
    last: date | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Calls that begin from `since` on, and before `until`."""
    min_score: float = 0.0
    max_score: float = 1.0
    verdict: VerdictFilter = VerdictFilter.ANY
    clip: bool | None = None
    """Whether the clip is stored at the base station; None selects both."""

    @property
    def has_time(self) -> bool:
        """Whether it selects by time. Then calls of unknown time are not selected."""
        return any(bound is not None for bound in (self.first, self.last, self.since, self.until))


ALL_CALLS = CallFilter()

_judged = events.alias("judged_events")


def conditions(wanted: CallFilter, sites: Mapping[str, Site]) -> list[ColumnElement[bool]]:
    """Return the conditions for the rows of `events`. `sites` are all sites, which define when their nights begin.

    Verdict and clip are conditions on the number of the row, so that a database can decide from an index alone.
    """
    c = events.c
    found: list[ColumnElement[bool]] = []
    if wanted.sites and not wanted.has_time:
        found.append(c.site.in_(wanted.sites))
    if wanted.has_time:
        found += [_in_time(wanted, sites), ~unknown_clock(events)]
    if wanted.device:
        found.append(c.device == wanted.device)
    if wanted.species:
        found.append(_is_species(wanted.species, by_index=not wanted.has_time))
    if wanted.min_score > 0:
        found.append(c.p_peak >= wanted.min_score)
    if wanted.max_score < 1:
        found.append(c.p_peak <= wanted.max_score)
    found += _of_verdict(wanted.verdict)
    if wanted.clip is not None:
        stored = select(_judged.c.arrival).select_from(_judged.join(clips, clips.c.event_id == _judged.c.id))
        numbers = _numbers(stored.where(clips.c.state == ClipState.HERE))
        found.append(c.arrival.in_(numbers) if wanted.clip else c.arrival.not_in(numbers))
    return found


def _in_time(wanted: CallFilter, sites: Mapping[str, Site]) -> ColumnElement[bool]:
    """Return the condition of sites and time. The sites of one time zone have the same nights."""
    names = sorted(wanted.sites or sites, key=lambda name: _zone(sites, name))
    zones = [(zone, list(group)) for zone, group in groupby(names, key=lambda name: _zone(sites, name))]
    return or_(*(and_(events.c.site.in_(group), *_bounds(wanted, zone)) for zone, group in zones), false())


def _zone(sites: Mapping[str, Site], name: str) -> str:
    return sites[name].zone if name in sites else Site().zone


def _bounds(wanted: CallFilter, zone: str) -> list[ColumnElement[bool]]:
    place, start = Site(zone=zone), events.c.start_utc
    bounds = [start >= wanted.since] if wanted.since else []
    bounds += [start < wanted.until] if wanted.until else []
    bounds += [start >= night(place, wanted.first).begin_utc] if wanted.first else []
    return bounds + ([start < night(place, wanted.last + timedelta(days=1)).begin_utc] if wanted.last else [])


def _is_species(species: str, *, by_index: bool) -> ColumnElement[bool]:
    """Return the condition of a species. Without `by_index` it leaves the indexes by species alone.

    In some nights, the index by time selects fewer rows than an index by species.
    """
    c = events.c
    named = or_(c.scientific_name == species, and_(c.scientific_name == "", c.label == species))
    as_reported = named if by_index else species_of(events) == species
    return or_(and_(as_reported, c.arrival.not_in(_reviewed(IS_RELABELLED))), c.arrival.in_(_named(species)))


def _named(species: str) -> Select[tuple[int]]:
    """Return the numbers of the events that people relabelled as a species."""
    return _reviewed(and_(IS_RELABELLED, NEW_SPECIES.in_([species])))


def _of_verdict(verdict: VerdictFilter) -> list[ColumnElement[bool]]:
    number, of = events.c.arrival, reviews.c.verdict
    match verdict:
        case VerdictFilter.ANY:
            return []
        case VerdictFilter.COUNTED:
            return [number.not_in(_reviewed(of == Verdict.REJECTED))]
        case VerdictFilter.UNREVIEWED:
            return [number.not_in(_reviewed())]
        case VerdictFilter.CONFIRMED:
            return [number.in_(_reviewed(of.in_([Verdict.CONFIRMED, Verdict.RELABELLED])))]
        case VerdictFilter.DISPUTED:
            disputed = select(_judged.c.arrival).where(_judged.c.id.in_(DISPUTED_EVENTS))
            return [number.in_(_numbers(disputed))]
        case _:
            return [number.in_(_reviewed(of == Verdict(verdict.value)))]


def _reviewed(*where: ColumnElement[bool]) -> Select[tuple[int]]:
    """Return the numbers of the reviewed events whose verdict meets a condition."""
    with_verdict = _judged.join(reviews, and_(reviews.c.event_id == _judged.c.id, IS_CURRENT))
    return _numbers(select(_judged.c.arrival).select_from(with_verdict).where(*where))


def _numbers(query: Select[tuple[int]]) -> Select[tuple[int]]:
    # Else SQLAlchemy leaves out tables that the query around it has, too.
    return query.correlate(None)


def names_of(wanted: CallFilter) -> Sequence[str]:
    """Return the names of the conditions that differ from those of ALL_CALLS."""
    return [name for name in CallFilter.__slots__ if getattr(wanted, name) != getattr(ALL_CALLS, name)]
