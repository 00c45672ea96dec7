"""Rules about calls: the first call of a night, a listed species, a rare species. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from anura_base.alerts.alert import Alert, AlertKey, NightOf, printable
from anura_base.config.alerts import CallRule, FirstCall, RareSpecies, Rule


@dataclass(frozen=True, slots=True)
class CallInfo:
    """The parts of an event that rules use."""

    id: str
    site: str
    device: str
    species: str
    label: str
    time_utc: datetime
    """The onset; the time of arrival if the clock source is `unknown`."""
    p_peak: float


def call_alerts(
    rules: Mapping[str, Rule],
    calls: Iterable[CallInfo],
    last_calls: Mapping[tuple[str, str], datetime],
    night_of: NightOf,
    now: datetime,
) -> list[Alert]:
    """Return the alerts about some calls, in their order.

    `last_calls` are the times of the last earlier calls, by site and species.
    """
    alerts: list[Alert] = []
    last = dict(last_calls)
    for call in calls:
        before = last.get((call.site, call.species))
        for name, rule in rules.items():
            if isinstance(rule, CallRule) and _applies(rule, call, now):
                alerts += _alerts(name, rule, call, before, night_of)
        last[call.site, call.species] = max(before or call.time_utc, call.time_utc)
    return alerts


def _applies(rule: CallRule, call: CallInfo, now: datetime) -> bool:
    return (
        (not rule.sites or call.site in rule.sites)
        and (not rule.species or call.species in rule.species or call.label in rule.species)
        and call.p_peak >= rule.min_score
        and now - call.time_utc <= timedelta(hours=rule.max_age_h)
    )


def _alerts(name: str, rule: CallRule, call: CallInfo, before: datetime | None, night_of: NightOf) -> Iterator[Alert]:
    """Yield the alert of a rule that applies to a call, if there is one; `before` is the time of the call before it."""
    dedup_id, text = call.id, f"{printable(call.species)} was detected at {call.site}"
    if isinstance(rule, FirstCall):
        dedup_id = night_of(call.site, call.time_utc).isoformat()
        # Devices send the newest events first, so earlier calls of the night may still arrive.
        text = f"{printable(call.species)} calls at {call.site}: the first call of the night of {dedup_id} that arrived"
    elif isinstance(rule, RareSpecies):
        if before is not None and call.time_utc - before < timedelta(days=rule.absent_days):
            return
        text += f"; its call before was on {before:%Y-%m-%d}" if before else "; no call of it had arrived before"
    text += f" (score {call.p_peak:.2f}, {call.device})"
    key = AlertKey(name, f"{call.site}/{call.species}")
    yield Alert(key, dedup_id, call.site, call.device, call.time_utc, text)
