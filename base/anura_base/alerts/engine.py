"""Decides what is told. Pure: calls and states in, firings out; the time is an argument.

There are two sorts. Something *happens*: a call, a night with little effort. It has an occasion, and is told once for
each. Or something *holds*: a device is silent. It is told when that begins, and noted when it is over.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, TypeVar

from anura_base.config.alerts import CallRule, DeviceHealth, DeviceSilent, EffortLow, FirstCall, RareSpecies, Rule
from anura_edge.wire import Health, is_stale

SETTLED = timedelta(hours=6)
"""A night's effort is judged so long after its end: what a device could not send at once still comes."""

MIN_NIGHTS = 2
"""Fewer nights say nothing about what is usual."""


T = TypeVar("T")


class AlertKey(NamedTuple):
    """What a rule watches: a species at a site, a device, a device's disk."""

    rule: str
    subject: str


class DedupKey(NamedTuple):
    """For what a rule told of a subject."""

    key: AlertKey
    occasion: str


@dataclass(frozen=True, slots=True)
class CallInfo:
    """A call, as far as rules ask."""

    id: str
    site: str
    device: str
    species: str
    label: str
    time_utc: datetime
    """When it called; when it arrived, where the recorder's clock is not known."""
    p_peak: float


@dataclass(frozen=True, slots=True)
class DeviceState:
    """A device, as far as rules ask."""

    site: str
    device: str
    last_seen_utc: datetime | None
    health: Health | None
    health_received_utc: datetime | None


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to tell."""

    key: AlertKey
    occasion: str
    site: str
    device: str
    moment_utc: datetime
    """When it happened or began, as far as is known."""
    text: str
    """A sentence for people."""

    @property
    def dedup_key(self) -> DedupKey:
        """For what it is told, once."""
        return DedupKey(self.key, self.occasion)


NightOf = Callable[[str, datetime], date]
"""The night of a site that a moment lies in, by the date of its evening."""


def printable(text: str) -> str:
    """Return what a device says as one line that no mail, log or terminal takes for more than text."""
    return "".join(character if character.isprintable() else "?" for character in text)


def calls_that_matter(
    rules: Mapping[str, Rule],
    calls: Iterable[CallInfo],
    last_heard: Mapping[tuple[str, str], datetime],
    night_of: NightOf,
    now: datetime,
) -> list[Alert]:
    """Return what calls are worth telling, in their order; `last_heard` is of each site and species before them."""
    found: list[Alert] = []
    heard = dict(last_heard)
    for call in calls:
        before = heard.get((call.site, call.species))
        for name, rule in rules.items():
            if isinstance(rule, CallRule) and _concerns(rule, call, now):
                found += _of_call(name, rule, call, before, night_of)
        heard[call.site, call.species] = max(before or call.time_utc, call.time_utc)
    return found


def _concerns(rule: CallRule, call: CallInfo, now: datetime) -> bool:
    return (
        (not rule.sites or call.site in rule.sites)
        and (not rule.species or call.species in rule.species or call.label in rule.species)
        and call.p_peak >= rule.min_probability
        and now - call.time_utc <= timedelta(hours=rule.max_age_h)
    )


def _of_call(name: str, rule: CallRule, call: CallInfo, before: datetime | None, night_of: NightOf) -> Iterator[Alert]:
    occasion, text = call.id, f"{printable(call.species)} was heard at {call.site}"
    if isinstance(rule, FirstCall):
        occasion = night_of(call.site, call.time_utc).isoformat()
        text = f"{printable(call.species)} calls at {call.site}, for the first time in the night of {occasion}"
    elif isinstance(rule, RareSpecies):
        if before is not None and call.time_utc - before < timedelta(days=rule.absent_days):
            return
        text += f", for the first time since {before:%Y-%m-%d}" if before else ", for the first time"
    text += f" (probability {call.p_peak:.2f}, {call.device})"
    key = AlertKey(name, f"{call.site}/{call.species}")
    yield Alert(key, occasion, call.site, call.device, call.time_utc, text)


def nights_with_little_effort(
    rules: Mapping[str, Rule],
    effort_h: Mapping[tuple[str, str], Mapping[date, float]],
    night_of: NightOf,
    now: datetime,
) -> list[Alert]:
    """Return the devices that listened little in the last night that is over; `effort_h` is by device and night."""
    found = []
    for name, rule in rules.items():
        if not isinstance(rule, EffortLow):
            continue
        for (site, device), hours in effort_h.items():
            if rule.sites and site not in rule.sites:
                continue
            night = night_of(site, now - SETTLED) - timedelta(days=1)
            usual = [
                hours[day]
                for back in range(1, rule.baseline_nights + 1)
                if (day := night - timedelta(days=back)) in hours
            ]
            mean_h, heard_h = sum(usual) / max(len(usual), 1), hours.get(night, 0.0)
            if len(usual) >= MIN_NIGHTS and heard_h < rule.below_ratio * mean_h:
                text = f"{site}/{device} listened {heard_h:.1f} h in the night of {night}; {mean_h:.1f} h is usual"
                key = AlertKey(name, f"{site}/{device}")
                found.append(Alert(key, night.isoformat(), site, device, now, text))
    return found


def new_ones(
    rules: Mapping[str, Rule],
    firings: Sequence[Alert],
    known: Set[DedupKey],
    fired: Mapping[AlertKey, datetime],
    now: datetime,
) -> list[Alert]:
    """Return which of these are told: once for an occasion, and not within the rule's cooldown.

    `known` are the occasions that were told, `fired` is when each key was told last.
    """
    told: list[Alert] = []
    seen, last = set(known), dict(fired)
    for firing in firings:
        if firing.dedup_key not in seen and not _too_soon(rules[firing.key.rule], last.get(firing.key), now):
            seen.add(firing.dedup_key)
            last[firing.key] = now
            told.append(firing)
    return told


def _too_soon(rule: Rule, last: datetime | None, now: datetime) -> bool:
    # A last time in the future is a clock that was wrong then, and must not keep the rule quiet.
    return last is not None and timedelta() <= now - last < timedelta(hours=rule.cooldown_h)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What holds now, and what nobody knows of."""

    hold: Mapping[AlertKey, Alert]
    unknown: Set[AlertKey]


def conditions(
    rules: Mapping[str, Rule], devices: Sequence[DeviceState], watching_since: datetime, now: datetime
) -> Conditions:
    """Return how it stands with the devices. Before `watching_since` nobody was there to hear of them."""
    hold: dict[AlertKey, Alert] = {}
    unknown: set[AlertKey] = set()
    for name, rule in rules.items():
        for device in devices:
            if rule.sites and device.site not in rule.sites:
                continue
            if isinstance(rule, DeviceSilent):
                _add(hold, _silence(name, rule, device, watching_since, now))
            elif isinstance(rule, DeviceHealth):
                for part, text in _complaints(rule, device, now):
                    key = AlertKey(name, f"{device.site}/{device.device} {part}")
                    if text is None:
                        unknown.add(key)
                    elif text:
                        _add(hold, _begun(key, device, now, f"{device.site}/{device.device}: {text}"))
    return Conditions(hold, unknown)


def _add(hold: dict[AlertKey, Alert], firing: Alert | None) -> None:
    if firing:
        hold[firing.key] = firing


def _begun(key: AlertKey, device: DeviceState, since: datetime, text: str) -> Alert:
    return Alert(key, "", device.site, device.device, since, text)


def _silence(
    name: str, rule: DeviceSilent, device: DeviceState, watching_since: datetime, now: datetime
) -> Alert | None:
    if device.last_seen_utc is None:
        return None
    if now - max(device.last_seen_utc, watching_since) < timedelta(hours=rule.after_h):
        return None
    key = AlertKey(name, f"{device.site}/{device.device}")
    text = (
        f"{device.site}/{device.device} was last heard of at {device.last_seen_utc.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    )
    return _begun(key, device, device.last_seen_utc, text)


def _complaints(rule: DeviceHealth, device: DeviceState, now: datetime) -> Iterator[tuple[str, str | None]]:
    """Yield each part that the rule watches with what is wrong: nothing, or None where nobody knows."""
    said = device.health
    if said and is_stale(said, device.health_received_utc, now):
        said = None
    for part, judge in _judges(rule).items():
        yield part, None if said is None else judge(said)


Judge = Callable[[Health], str | None]
"""Says what is wrong: nothing when nothing is, None where the device does not say."""


def _judges(rule: DeviceHealth) -> dict[str, Judge]:
    judges: dict[str, Judge] = {}
    if (gb := rule.disk_below_gb) is not None:
        judges["disk"] = lambda said: _wrong(said.disk_free_bytes, lambda free: free < gb * 1e9, _disk)
    if (rows := rule.backlog_above_rows) is not None:
        judges["backlog"] = lambda said: _wrong(said.pending, lambda pending: pending > rows, "{:,} rows wait".format)
    if (hours := rule.backlog_above_h) is not None:
        judges["waiting"] = lambda said: _wrong(said.oldest_pending_s or 0.0, lambda s: s > hours * 3_600, _waiting)
    if (degrees := rule.temperature_above_c) is not None:
        judges["temperature"] = lambda said: _wrong(said.temperature_c, lambda t: t > degrees, "{:.0f} °C".format)
    if rule.clock_not_synchronised:
        judges["clock"] = lambda said: _wrong(said.clock_synchronised, lambda right: not right, _clock)
    if rule.any_problem:
        judges["problem"] = lambda said: _wrong(said.problems, bool, _problems)
    return judges


def _wrong(value: T | None, is_wrong: Callable[[T], bool], say: Callable[[T], str]) -> str | None:
    if value is None:
        return None
    return say(value) if is_wrong(value) else ""


def _disk(free_bytes: int) -> str:
    return f"{free_bytes / 1e9:.1f} GB of disk are free"


def _waiting(seconds: float) -> str:
    return f"its oldest row has waited for {seconds / 3_600:.0f} h"


def _problems(said: tuple[str, ...]) -> str:
    return "; ".join(printable(problem) for problem in said)


def _clock(_synchronised: bool) -> str:
    return "nothing keeps its clock right"


def begun_and_over(
    rules: Mapping[str, Rule],
    now_: Conditions,
    ongoing: Set[AlertKey],
    fired: Mapping[AlertKey, datetime],
    now: datetime,
) -> tuple[list[Alert], set[AlertKey]]:
    """Return what has begun and is told, and what of the `ongoing` is over.

    What begins within the rule's cooldown is told when that is over, if it still holds.
    """
    begun = [
        replace(firing, occasion=now.isoformat())
        for key, firing in now_.hold.items()
        if key not in ongoing and not _too_soon(rules[key.rule], fired.get(key), now)
    ]
    return begun, set(ongoing) - now_.hold.keys() - now_.unknown
