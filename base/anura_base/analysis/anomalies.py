"""What is unlike a site's own history, each with its evidence. It says what was seen, not what it means.

Rates are calls per hour analysed. They are compared as log(1 + rate), in which a doubling is a step of about the same
size for a rare and for a common species, by the modified z-score of Iglewicz and Hoaglin (How to Detect and Handle
Outliers, 1993): 0.6745 (x - median) / MAD over the nights before, of which a few odd ones move neither median nor MAD.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, select

from anura_base.analysis import heatmaps
from anura_base.analysis.heatmaps import CallsAndEffort
from anura_base.analysis.nights import night
from anura_base.analysis.rollup_tables import species_of
from anura_base.config.settings import Site
from anura_base.db.schema import events, unknown_clock
from anura_edge.events import EffortState

HISTORY_NIGHTS = 28
MIN_NIGHTS = 7
"""With fewer nights before, nothing is called a change."""
MIN_HOURS = 0.5
"""A night with less listening says nothing about rates."""

ODD_SCORE = 3.5
"""The limit that Iglewicz and Hoaglin recommend."""
LEAST_MAD = 0.2
"""Of very even nights the smallest change would be odd: with this, none below a factor of about 2.8 is."""
MIN_RATE = 1.0
"""Calls per hour, on this night or as a rule: of rarer species a night more or less is chance."""

SILENT_SHARE = 0.5
CLIPPED_SHARE = 0.05
MODEL_NIGHTS = 3
MODEL_FACTOR = 2.0


class AnomalyKind(StrEnum):
    """What may be unlike."""

    SILENCE = "silence"
    CLIPPING = "clipping"
    RATE = "rate"
    SPECIES = "species"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that a person may want to look at."""

    kind: AnomalyKind
    site: str
    evening: date
    what: str
    """A sentence without the site."""
    evidence: Sequence[tuple[str, str]]
    """What it rests on: name and value."""
    history: Sequence[float | None] = ()
    """The rate of each night of the history and, last, of this one; None where nobody listened."""
    species: str = ""


@dataclass(frozen=True, slots=True)
class _SiteNights:
    """What a site's nights said; columns are ordinals of dates."""

    site: str
    tonight: int
    columns: Sequence[int]
    """The history and, last, tonight."""
    hours: Mapping[tuple[str, str, int], float]
    """By state, model and column."""
    calls: Mapping[tuple[str, str, int], int]
    """By species, model and column."""

    def in_state(self, state: EffortState, column: int) -> float:
        return sum(h for (s, _, c), h in self.hours.items() if s == state and c == column)

    def rates(self, species: str | None = None, model: str | None = None) -> dict[int, float]:
        """Return calls per hour of the nights that were listened to long enough."""
        heard: dict[int, float] = defaultdict(float)
        for (state, made_by, column), h in self.hours.items():
            if state == EffortState.ANALYSED and model in (None, made_by):
                heard[column] += h
        called: dict[int, int] = defaultdict(int)
        for (name, made_by, column), count in self.calls.items():
            if species in (None, name) and model in (None, made_by):
                called[column] += count
        return {column: called[column] / h for column, h in heard.items() if h >= MIN_HOURS}

    def history(self, rates: Mapping[int, float]) -> list[float | None]:
        return [rates.get(column) for column in self.columns]

    @property
    def evening(self) -> date:
        return date.fromordinal(self.tonight)


def find_anomalies(connection: Connection, sites: Mapping[str, Site], evening: date) -> list[Anomaly]:
    """Compare one night of every site with the nights before it."""
    first = evening - timedelta(days=HISTORY_NIGHTS)
    heard = heatmaps.calls_and_effort(connection, heatmaps.night_ranges(sites, first, evening))
    columns = range(first.toordinal(), evening.toordinal() + 1)
    found: list[Anomaly] = []
    for name in sites:
        nights = _of_site(heard, name, columns)
        for look in (_silence, _clipping, _rates, _species, _model):
            found += look(nights)
    order = list(AnomalyKind)
    return sorted((_with_probability(connection, sites, a) for a in found), key=lambda a: (order.index(a.kind), a.site))


def _of_site(heard: CallsAndEffort, name: str, columns: range) -> _SiteNights:
    return _SiteNights(
        name,
        columns[-1],
        columns,
        {(state, model, n): h for (site, state, model, n), h in heard.hours.items() if site == name},
        {(species, model, n): count for (site, species, model, n), count in heard.calls.items() if site == name},
    )


def _silence(nights: _SiteNights) -> Iterator[Anomaly]:
    total = sum(h for (_, _, column), h in nights.hours.items() if column == nights.tonight)
    silent = nights.in_state(EffortState.SILENT, nights.tonight)
    if total and silent / total >= SILENT_SHARE:
        evidence = [("silent", f"{silent:.1f} h of {total:.1f} h"), ("reported from", f"{SILENT_SHARE:.0%} on")]
        yield Anomaly(AnomalyKind.SILENCE, nights.site, nights.evening, "The microphone gave a flat line.", evidence)
    week = [nights.in_state(EffortState.ANALYSED, nights.tonight - back) for back in range(1, 8)]
    listened = sum(h >= MIN_HOURS for h in week)
    if not nights.in_state(EffortState.ANALYSED, nights.tonight) and not silent and listened >= 5:
        evidence = [("listened", f"in {listened} of the 7 nights before, {statistics.median(week):.1f} h as a rule")]
        what = "Nothing has come of this night."
        saved = {state: nights.in_state(state, nights.tonight) for state in (EffortState.PAUSED, EffortState.GATED)}
        if sum(saved.values()) >= MIN_HOURS:
            what = "Nothing was listened to: what there was of this night went into saving energy."
            evidence += [(state.value, f"{hours:.1f} h") for state, hours in saved.items() if hours]
        yield Anomaly(AnomalyKind.SILENCE, nights.site, nights.evening, what, evidence)


def _clipping(nights: _SiteNights) -> Iterator[Anomaly]:
    clipped = nights.in_state(EffortState.CLIPPED, nights.tonight)
    total = clipped + nights.in_state(EffortState.ANALYSED, nights.tonight)
    if clipped and clipped / total >= CLIPPED_SHARE:
        evidence = [
            ("clipped", f"{clipped:.1f} h of {total:.1f} h, {clipped / total:.0%}"),
            ("reported from", f"{CLIPPED_SHARE:.0%} on"),
        ]
        what = "Much of the sound is at full scale: calls in it may not be recognised."
        yield Anomaly(AnomalyKind.CLIPPING, nights.site, nights.evening, what, evidence)


def _rates(nights: _SiteNights) -> Iterator[Anomaly]:
    for species in (None, *sorted({name for name, _, _ in nights.calls})):
        rates = nights.rates(species)
        before = [rate for column, rate in rates.items() if column < nights.tonight]
        now = rates.get(nights.tonight)
        if now is None or len(before) < MIN_NIGHTS or not any(before):
            continue
        usual = statistics.median(before)
        score = modified_z_score(now, before)
        if abs(score) >= ODD_SCORE and max(now, usual) >= MIN_RATE:
            more = "more" if now > usual else "less"
            what = f"{species or 'All species together'} called {more} than on the nights before."
            evidence = [
                ("this night", f"{now:.1f} calls per hour"),
                ("as a rule", f"{usual:.1f} (median of {len(before)} nights)"),
                ("modified z-score", f"{score:+.1f}, reported from ±{ODD_SCORE} on"),
            ]
            yield Anomaly(
                AnomalyKind.RATE, nights.site, nights.evening, what, evidence, nights.history(rates), species or ""
            )


def modified_z_score(now: float, before: Sequence[float]) -> float:
    """Return the modified z-score of a rate against those of nights before."""
    logs = [math.log1p(rate) for rate in before]
    middle = statistics.median(logs)
    deviation = statistics.median(abs(x - middle) for x in logs)
    return 0.6745 * (math.log1p(now) - middle) / max(deviation, LEAST_MAD)


def _species(nights: _SiteNights) -> Iterator[Anomaly]:
    before = sum(h for (state, _, c), h in nights.hours.items() if state == EffortState.ANALYSED and c < nights.tonight)
    if len(nights.rates().keys() - {nights.tonight}) < MIN_NIGHTS:
        return
    known = {name for name, _, column in nights.calls if column < nights.tonight}
    new: dict[str, int] = defaultdict(int)
    for (name, _, column), count in nights.calls.items():
        if column == nights.tonight and name not in known:
            new[name] += count
    for name, count in sorted(new.items()):
        evidence = [("this night", f"{count} calls"), ("before", f"none in {before:,.0f} h of listening here")]
        what = f"{name} was heard here for the first time in {HISTORY_NIGHTS} nights."
        yield Anomaly(AnomalyKind.SPECIES, nights.site, nights.evening, what, evidence, species=name)


def _model(nights: _SiteNights) -> Iterator[Anomaly]:
    first: dict[str, int] = {}
    for (state, model, column), _ in sorted(nights.hours.items(), key=lambda item: item[0][2]):
        if state == EffortState.ANALYSED:
            first.setdefault(model, column)
    if len(first) < 2:
        return
    newest = max(first, key=lambda model: first[model])
    after = list(nights.rates(model=newest).values())
    before = [rate for column, rate in nights.rates().items() if column < first[newest]]
    if min(len(before), len(after)) < MODEL_NIGHTS:
        return
    was, is_ = statistics.median(before), statistics.median(after)
    if max(was, is_) >= MIN_RATE and max(was, is_) >= MODEL_FACTOR * min(was, is_):
        what = f"Since {date.fromordinal(first[newest])} another model listens, and the rate of calls is another one."
        evidence = [
            ("before", f"{was:.1f} calls per hour (median of {len(before)} nights)"),
            ("since", f"{is_:.1f} (median of {len(after)} nights)"),
            ("model", f"{newest[:8]}; reported from a factor of {MODEL_FACTOR:g} on"),
        ]
        yield Anomaly(AnomalyKind.MODEL, nights.site, nights.evening, what, evidence, nights.history(nights.rates()))


def _with_probability(connection: Connection, sites: Mapping[str, Site], found: Anomaly) -> Anomaly:
    """Add to an unexpected species how sure the model was."""
    if found.kind is not AnomalyKind.SPECIES:
        return found
    here, c = night(sites[found.site], found.evening), events.c
    best = connection.scalar(
        select(func.max(c.p_peak)).where(
            c.site == found.site,
            c.start_utc >= here.begin_utc,
            c.start_utc < here.end_utc,
            species_of(events) == found.species,
            ~unknown_clock(events),
        )
    )
    evidence = [*found.evidence, ("highest probability", f"{best or 0:.2f}")]
    return Anomaly(found.kind, found.site, found.evening, found.what, evidence, found.history, found.species)
