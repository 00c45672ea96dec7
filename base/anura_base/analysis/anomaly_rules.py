"""Rules that compare one night of a site with the nights before it. Pure: numbers in, anomalies out.

Rates are calls per hour analysed. They are compared as log(1 + rate), in which a doubling is about the same step for a
rare and for a common species, by the modified z-score of Iglewicz and Hoaglin (How to Detect and Handle Outliers,
1993): 0.6745 (x - median) / MAD over the nights before. A few outliers change neither the median nor the MAD.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from anura_edge.events import EffortState

HISTORY_NIGHTS = 28
MIN_NIGHTS = 7
"""With fewer nights before, no change is reported."""
MIN_HOURS = 0.5
"""A night with fewer hours analysed has no rate."""

Z_SCORE_LIMIT = 3.5
"""The limit that Iglewicz and Hoaglin recommend."""
MIN_MAD = 0.2
"""In very even nights the smallest change would exceed the limit. With this MAD, a change below a factor of about 2.8
does not."""
MIN_RATE = 1.0
"""Calls per hour, in this night or as the median: for rarer species a difference between nights is chance."""

SILENT_SHARE = 0.5
CLIPPED_SHARE = 0.05
LEVEL_DROP_DB = 10.0
"""A night that is quieter by this than the quietest night before is reported. Nights differ by more than that, with
rain, wind and choruses, so the quietest one is the measure."""
LOWEST_LEVEL_DBFS = -84.0
"""A mean level of two steps of 16 bits. A microphone that works records more, the noise of its own amplifier."""
MODEL_NIGHTS = 3
MODEL_FACTOR = 2.0


class AnomalyKind(StrEnum):
    """The kind of an anomaly: what differs from the history of a device or site."""

    SILENCE = "silence"
    LEVEL = "level"
    CLIPPING = "clipping"
    RATE = "rate"
    SPECIES = "species"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A difference that a person may want to check. It states what was measured, not what it means."""

    kind: AnomalyKind
    site: str
    evening: date
    what: str
    """A sentence without the site."""
    evidence: Sequence[tuple[str, str]]
    """The numbers behind it: name and value."""
    history: Sequence[float | None] = ()
    """The rate of each night of the history and, last, of this one; None if not enough was analysed."""
    species: str = ""


@dataclass(frozen=True, slots=True)
class SiteNights:
    """Calls and effort of a site; a column is the ordinal of a night's date."""

    site: str
    tonight: int
    columns: Sequence[int]
    """The history and, last, tonight."""
    hours: Mapping[tuple[str, str, int], float]
    """By state of effort, model and column."""
    calls: Mapping[tuple[str, str, int], int]
    """By species, model and column."""
    levels_dbfs: Mapping[int, float] = field(default_factory=dict)
    """Mean level of the analysed audio by column, where it is known."""

    def in_state(self, state: EffortState, column: int) -> float:
        """Return the hours in a state in one night, over all models."""
        return sum(h for (s, _, c), h in self.hours.items() if s == state and c == column)

    def rates(self, species: str | None = None, model: str | None = None) -> dict[int, float]:
        """Return calls per hour by column, of the nights with at least MIN_HOURS analysed. None stands for all."""
        analysed: dict[int, float] = defaultdict(float)
        for (state, made_by, column), h in self.hours.items():
            if state == EffortState.ANALYSED and model in (None, made_by):
                analysed[column] += h
        called: dict[int, int] = defaultdict(int)
        for (name, made_by, column), count in self.calls.items():
            if species in (None, name) and model in (None, made_by):
                called[column] += count
        return {column: called[column] / h for column, h in analysed.items() if h >= MIN_HOURS}

    def history(self, rates: Mapping[int, float]) -> list[float | None]:
        """Return the rate of each column, None where there is none."""
        return [rates.get(column) for column in self.columns]

    @property
    def evening(self) -> date:
        """The date of the night that is checked."""
        return date.fromordinal(self.tonight)


def modified_z_score(now: float, before: Sequence[float]) -> float:
    """Return the modified z-score of a rate against the rates of earlier nights."""
    logs = [math.log1p(rate) for rate in before]
    median = statistics.median(logs)
    mad = statistics.median(abs(x - median) for x in logs)
    return 0.6745 * (math.log1p(now) - median) / max(mad, MIN_MAD)


def check_silence(nights: SiteNights) -> Iterator[Anomaly]:
    """Report a flat line, and a night without analysed audio at a site that usually has some."""
    total = sum(h for (_, _, column), h in nights.hours.items() if column == nights.tonight)
    silent = nights.in_state(EffortState.SILENT, nights.tonight)
    if total and silent / total >= SILENT_SHARE:
        evidence = [("silent", f"{silent:.1f} h of {total:.1f} h"), ("reported from", f"{SILENT_SHARE:.0%}")]
        yield Anomaly(AnomalyKind.SILENCE, nights.site, nights.evening, "The microphone gave a flat line.", evidence)
    week = [nights.in_state(EffortState.ANALYSED, nights.tonight - back) for back in range(1, 8)]
    active = sum(h >= MIN_HOURS for h in week)
    if nights.in_state(EffortState.ANALYSED, nights.tonight) or silent or active < 5:
        return
    evidence = [("analysed", f"in {active} of the 7 nights before, {statistics.median(week):.1f} h as the median")]
    what = "No audio of this night was received."
    saved = {state: nights.in_state(state, nights.tonight) for state in (EffortState.PAUSED, EffortState.GATED)}
    if sum(saved.values()) >= MIN_HOURS:
        what = "No audio of this night was analysed: the device was saving energy."
        evidence += [(state.value, f"{hours:.1f} h") for state, hours in saved.items() if hours]
    yield Anomaly(AnomalyKind.SILENCE, nights.site, nights.evening, what, evidence)


def check_level(nights: SiteNights) -> Iterator[Anomaly]:
    """Report a night that is so quiet that the microphone may be covered, wet or broken."""
    level = nights.levels_dbfs.get(nights.tonight)
    if level is None or nights.in_state(EffortState.ANALYSED, nights.tonight) < MIN_HOURS:
        return
    before = [each for column, each in nights.levels_dbfs.items() if column < nights.tonight]
    evidence = [("mean level", f"{level:.0f} dBFS")]
    if level < LOWEST_LEVEL_DBFS:
        evidence.append(("reported below", f"{LOWEST_LEVEL_DBFS:.0f} dBFS"))
    elif len(before) >= MIN_NIGHTS and level <= min(before) - LEVEL_DROP_DB:
        evidence.append(("quietest night before", f"{min(before):.0f} dBFS of {len(before)} nights"))
        evidence.append(("reported from", f"{LEVEL_DROP_DB:.0f} dB less"))
    else:
        return
    what = "The audio is very quiet: the microphone may be covered, wet or broken."
    yield Anomaly(AnomalyKind.LEVEL, nights.site, nights.evening, what, evidence)


def check_clipping(nights: SiteNights) -> Iterator[Anomaly]:
    """Report a night in which much of the audio is at full scale."""
    clipped = nights.in_state(EffortState.CLIPPED, nights.tonight)
    total = clipped + nights.in_state(EffortState.ANALYSED, nights.tonight)
    if clipped and clipped / total >= CLIPPED_SHARE:
        evidence = [
            ("clipped", f"{clipped:.1f} h of {total:.1f} h, {clipped / total:.0%}"),
            ("reported from", f"{CLIPPED_SHARE:.0%}"),
        ]
        what = "Much of the audio is at full scale: calls in it may not be recognised."
        yield Anomaly(AnomalyKind.CLIPPING, nights.site, nights.evening, what, evidence)


def check_rates(nights: SiteNights) -> Iterator[Anomaly]:
    """Report a rate, of all species together or of one, that differs from the nights before."""
    for species in (None, *sorted({name for name, _, _ in nights.calls})):
        rates = nights.rates(species)
        before = [rate for column, rate in rates.items() if column < nights.tonight]
        now = rates.get(nights.tonight)
        if now is None or len(before) < MIN_NIGHTS or not any(before):
            continue
        usual = statistics.median(before)
        score = modified_z_score(now, before)
        if abs(score) >= Z_SCORE_LIMIT and max(now, usual) >= MIN_RATE:
            more = "more" if now > usual else "less"
            what = f"{species or 'All species together'} called {more} than in the nights before."
            evidence = [
                ("this night", f"{now:.1f} calls per hour"),
                ("median", f"{usual:.1f} calls per hour in {len(before)} nights before"),
                ("modified z-score", f"{score:+.1f}, reported from ±{Z_SCORE_LIMIT}"),
            ]
            history = nights.history(rates)
            yield Anomaly(AnomalyKind.RATE, nights.site, nights.evening, what, evidence, history, species or "")


def check_species(nights: SiteNights) -> Iterator[Anomaly]:
    """Report a species without a call in the nights before."""
    before = sum(h for (state, _, c), h in nights.hours.items() if state == EffortState.ANALYSED and c < nights.tonight)
    if len(nights.rates().keys() - {nights.tonight}) < MIN_NIGHTS:
        return
    earlier = {name for name, _, column in nights.calls if column < nights.tonight}
    new: dict[str, int] = defaultdict(int)
    for (name, _, column), count in nights.calls.items():
        if column == nights.tonight and name not in earlier:
            new[name] += count
    for name, count in sorted(new.items()):
        evidence = [("this night", f"{count} calls"), ("before", f"none in {before:,.0f} h analysed at this site")]
        what = f"{name} was detected here for the first time in {HISTORY_NIGHTS} nights."
        yield Anomaly(AnomalyKind.SPECIES, nights.site, nights.evening, what, evidence, species=name)


def check_model(nights: SiteNights) -> Iterator[Anomaly]:
    """Report a rate that changed when another model began to analyse the audio."""
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
    old, new = statistics.median(before), statistics.median(after)
    if max(old, new) >= MIN_RATE and max(old, new) >= MODEL_FACTOR * min(old, new):
        what = f"Since {date.fromordinal(first[newest])} another model is in use, and the rate of calls has changed."
        evidence = [
            ("before", f"{old:.1f} calls per hour (median of {len(before)} nights)"),
            ("since", f"{new:.1f} (median of {len(after)} nights)"),
            ("model", f"{newest[:8]}; reported from a factor of {MODEL_FACTOR:g}"),
        ]
        yield Anomaly(AnomalyKind.MODEL, nights.site, nights.evening, what, evidence, nights.history(nights.rates()))


RULES: Sequence[Callable[[SiteNights], Iterator[Anomaly]]] = (
    check_silence,
    check_level,
    check_clipping,
    check_rates,
    check_species,
    check_model,
)
