"""The filters of calls in an address. The page Calls, the API and the exports have the same."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, HTTPException, Query
from pydantic import AwareDatetime, BeforeValidator, Field

from anura_base.exchange.call_filter import CallFilter, VerdictFilter
from anura_base.web.filters import parse_date


def _none_if_empty(value: Any) -> Any:  # noqa: ANN401  (any text of an address)
    """Read an empty field as no filter: a form sends its empty fields, too."""
    return None if value == "" else value


Empty = BeforeValidator(_none_if_empty)

Score = Annotated[Annotated[float, Field(ge=0, le=1)] | None, Empty, Query(description="Limit of the peak score.")]
Moment = Annotated[AwareDatetime | None, Empty, Query(description="A time with its offset, as in 2026-05-01T22:00Z.")]


class CallFilters:
    """The filters of calls in the address."""

    def __init__(
        self,
        site: Annotated[list[Annotated[str, Query(max_length=64)]] | None, Query(description="Names of sites.")] = None,
        device: Annotated[str, Query(max_length=64)] = "",
        species: Annotated[str, Query(max_length=600, description="The species that the call counts as.")] = "",
        first: Annotated[str, Query(max_length=20, description="First night, by its evening: 2026-05-01.")] = "",
        last: Annotated[str, Query(max_length=20, description="Last night, by its evening.")] = "",
        since: Moment = None,
        until: Moment = None,
        min_score: Score = None,
        max_score: Score = None,
        verdict: Annotated[VerdictFilter | None, Empty, Query(description="What people said about the call.")] = None,
        clip: Annotated[bool | None, Empty, Query(description="Whether the base station has the audio.")] = None,
    ) -> None:
        self.site = tuple(name for name in site or () if name)
        self.device, self.species = device, species
        self.first, self.last = parse_date("first", first), parse_date("last", last)
        if self.first and self.last and self.last < self.first:
            raise HTTPException(422, f"last: {self.last} is before first, {self.first}; exchange the two dates")
        self.since, self.until = since, until
        self.min_score, self.max_score = min_score, max_score
        self.verdict, self.clip = verdict, clip

    def to_filter(self, verdict: VerdictFilter = VerdictFilter.ANY) -> CallFilter:
        """Return the conditions. `verdict` is the one that holds if the address has none."""
        return CallFilter(
            sites=self.site,
            device=self.device,
            species=self.species,
            first=self.first,
            last=self.last,
            since=self.since,
            until=self.until,
            min_score=self.min_score or 0.0,
            max_score=1.0 if self.max_score is None else self.max_score,
            verdict=self.verdict or verdict,
            clip=self.clip,
        )


CallFiltersInAddress = Annotated[CallFilters, Depends()]


def query_of(wanted: CallFilter, **more: object) -> str:
    """Return the address parameters of a filter, and more parameters. Those that are None are left out."""
    moments = {name: _iso(moment) for name, moment in (("since", wanted.since), ("until", wanted.until))}
    values: dict[str, object] = {
        "site": wanted.sites or None,
        "device": wanted.device or None,
        "species": wanted.species or None,
        "first": wanted.first,
        "last": wanted.last,
        **moments,
        "min_score": wanted.min_score or None,
        "max_score": wanted.max_score if wanted.max_score < 1 else None,
        "verdict": wanted.verdict.value,
        "clip": None if wanted.clip is None else str(wanted.clip).lower(),
        **more,
    }
    return urlencode({name: value for name, value in values.items() if value is not None}, doseq=True)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
