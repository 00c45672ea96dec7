"""The laws of what is told. No database, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anura_base.alerts import engine
from anura_base.alerts.engine import Alert, AlertKey, CallInfo, Conditions, DedupKey, DeviceState
from anura_base.config.alerts import DeviceHealth, DeviceSilent, EffortLow, FirstCall, ListedSpecies, RareSpecies, Rule
from anura_edge.wire import Health

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAW = settings(max_examples=60, deadline=None)

RULES: dict[str, Rule] = {
    "first": FirstCall(when="first_call_of_night", min_probability=0.5),
    "listed": ListedSpecies(when="listed_species", species=("Hyla arborea", "label b"), cooldown_h=3),
    "rare": RareSpecies(when="rare_species", absent_days=2, sites=("pond",), max_age_h=1_000),
}


def night_of(_site: str, moment: datetime) -> date:
    return (moment - timedelta(hours=12)).date()


@st.composite
def some_calls(draw: st.DrawFn) -> list[CallInfo]:
    one = st.tuples(
        st.sampled_from(["pond", "river"]),
        st.sampled_from(["Hyla arborea", "Bufo bufo"]),
        st.integers(-4 * 24, 2),
        st.sampled_from([0.3, 0.5, 0.9]),
    )
    return [
        CallInfo(str(number), site, "one", species, f"label {species[0].lower()}", NOW + timedelta(hours=hours), p)
        for number, (site, species, hours, p) in enumerate(draw(st.lists(one, max_size=25)))
    ]


@dataclass
class Kept:
    """What a database would keep."""

    told: list[tuple[datetime, Alert]] = field(default_factory=list)
    last_heard: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def read(self, calls: Sequence[CallInfo], now: datetime = NOW) -> None:
        found = engine.calls_that_matter(RULES, calls, self.last_heard, night_of, now)
        self.send(found, now)
        for call in calls:
            key = call.site, call.species
            self.last_heard[key] = max(self.last_heard.get(key, call.time_utc), call.time_utc)

    def send(self, found: Sequence[Alert], now: datetime) -> None:
        known = {firing.dedup_key for _, firing in self.told}
        fired = {firing.key: moment for moment, firing in self.told}
        self.told += [(now, firing) for firing in engine.new_ones(RULES, found, known, fired, now)]


@LAW
@given(calls=some_calls(), cuts=st.sets(st.integers(0, 25)))
def test_it_does_not_matter_how_calls_are_grouped(calls: list[CallInfo], cuts: set[int]) -> None:
    whole, parts = Kept(), Kept()
    whole.read(calls)
    edges = [0, *sorted(cut for cut in cuts if cut < len(calls)), len(calls)]
    for first, end in pairwise(edges):
        parts.read(calls[first:end])
    assert parts.told == whole.told


@LAW
@given(calls=some_calls())
def test_what_comes_twice_is_told_once(calls: list[CallInfo]) -> None:
    kept = Kept()
    kept.read(calls)
    once = list(kept.told)
    for later in (NOW, NOW + timedelta(minutes=1), NOW + timedelta(days=40)):
        kept.read(calls, later)
    assert kept.told == once


@LAW
@given(calls=some_calls(), waits=st.lists(st.floats(0, 5), max_size=25))
def test_within_the_cooldown_a_rule_is_quiet_of_its_subject(calls: list[CallInfo], waits: list[float]) -> None:
    kept, now = Kept(), NOW
    for call, wait in zip(calls, waits, strict=False):
        now += timedelta(hours=wait)
        kept.read([call], now)
    for key in {firing.key for _, firing in kept.told}:
        moments = [moment for moment, firing in kept.told if firing.key == key]
        cooldown = timedelta(hours=RULES[key.rule].cooldown_h)
        assert all(later - earlier >= cooldown for earlier, later in pairwise(moments))


@LAW
@given(calls=some_calls())
def test_of_a_night_a_species_is_told_first_at_most_once(calls: list[CallInfo]) -> None:
    kept = Kept()
    kept.read(calls)
    nights = [(firing.key.subject, firing.occasion) for _, firing in kept.told if firing.key.rule == "first"]
    assert len(nights) == len(set(nights))
    fresh = {
        (f"{c.site}/{c.species}", night_of(c.site, c.time_utc).isoformat())
        for c in calls
        if c.p_peak >= 0.5 and NOW - c.time_utc <= timedelta(hours=48)
    }
    assert set(nights) == fresh


def call(hours: float, site: str = "pond", species: str = "Bufo bufo", p: float = 0.9) -> CallInfo:
    return CallInfo(f"{hours}", site, "one", species, "x", NOW + timedelta(hours=hours), p)


def test_a_species_is_rare_when_it_was_not_heard_for_long_at_this_site() -> None:
    kept = Kept()
    kept.read([call(-100), call(-90), call(-30), call(-29), call(-1, site="river")])
    rare = [firing for _, firing in kept.told if firing.key.rule == "rare"]
    assert [firing.moment_utc for firing in rare] == [NOW - timedelta(hours=100), NOW - timedelta(hours=30)]
    assert "for the first time (" in rare[0].text
    assert "since 2026-11-16 (" in rare[1].text


def test_a_wrong_clock_then_does_not_keep_a_rule_quiet_now() -> None:
    firing = Alert(AlertKey("listed", "pond/x"), "1", "pond", "one", NOW, "")
    wrong = {firing.key: NOW + timedelta(days=3_650)}
    assert engine.new_ones(RULES, [firing], set(), wrong, NOW) == [firing]
    assert engine.new_ones(RULES, [firing], {DedupKey(firing.key, "1")}, {}, NOW) == []


def test_what_a_device_calls_itself_stays_one_line_of_text() -> None:
    (firing,) = engine.calls_that_matter(
        {"first": RULES["first"]}, [call(0, species="Bufo\r\nBcc: x\x1b[2J")], {}, night_of, NOW
    )
    assert "Bufo??Bcc: x?[2J calls" in firing.text


WELL = Health(
    utc=NOW, every_s=60, uptime_s=1, running_s=1, app_version="1", model_sha256="0", config_hash="0", overruns=0,
    analysed_s=1, dropped_s=0, gaps=0, pending=0, disk_free_bytes=10**10, temperature_c=40, clock_synchronised=True,
)  # fmt: skip
UNWELL = DeviceHealth(
    when="device_health", disk_below_gb=2, backlog_above_rows=100, backlog_above_h=2, temperature_above_c=70,
    clock_not_synchronised=True, any_problem=True,
)  # fmt: skip


def device(seen_h: float = 0, health: Health | None = WELL, health_age_s: float | None = 0) -> DeviceState:
    received = None if health_age_s is None else NOW - timedelta(seconds=health_age_s)
    return DeviceState("pond", "one", NOW - timedelta(hours=seen_h), health, received)


@pytest.mark.parametrize(
    ("change", "part", "text"),
    [
        ({"disk_free_bytes": 10**9}, "disk", "1.0 GB"),
        ({"pending": 1_001}, "backlog", "1,001 rows wait"),
        ({"oldest_pending_s": 10_000}, "waiting", "3 h"),
        ({"temperature_c": 81.2}, "temperature", "81 °C"),
        ({"clock_synchronised": False}, "clock", "clock"),
        ({"problems": ("the microphone is gone",)}, "problem", "the microphone is gone"),
    ],
)
def test_each_limit_of_a_devices_health_is_told(change: dict[str, object], part: str, text: str) -> None:
    said = device(health=WELL.model_copy(update=change))
    (firing,) = engine.conditions({"unwell": UNWELL}, [said], NOW, NOW).hold.values()
    assert firing.key == AlertKey("unwell", f"pond/one {part}")
    assert text in firing.text


def test_a_device_that_is_well_is_not_told() -> None:
    assert engine.conditions({"unwell": UNWELL}, [device()], NOW, NOW) == Conditions({}, set())


@pytest.mark.parametrize("said", [device(health=None), device(health_age_s=181), device(health_age_s=None)])
def test_of_an_old_message_nobody_knows_whether_it_still_holds(said: DeviceState) -> None:
    standing = engine.conditions({"unwell": UNWELL}, [said], NOW, NOW)
    assert len(standing.unknown) == 6
    ongoing = {AlertKey("unwell", "pond/one disk")}
    assert engine.begun_and_over({"unwell": UNWELL}, standing, ongoing, {}, NOW) == ([], set())


def test_a_device_is_silent_only_while_somebody_listens() -> None:
    rules: dict[str, Rule] = {"silent": DeviceSilent(when="device_silent", after_h=6)}
    long_ago, just_now = NOW - timedelta(days=1), NOW - timedelta(hours=1)
    assert not engine.conditions(rules, [device(seen_h=5.9)], long_ago, NOW).hold
    assert engine.conditions(rules, [device(seen_h=6)], long_ago, NOW).hold
    assert not engine.conditions(rules, [device(seen_h=6)], just_now, NOW).hold


@LAW
@given(steps=st.lists(st.tuples(st.floats(0, 4), st.booleans()), max_size=30), cooldown_h=st.sampled_from([0, 5]))
def test_what_holds_is_told_once_until_it_is_over(steps: list[tuple[float, bool]], cooldown_h: float) -> None:
    rules: dict[str, Rule] = {"unwell": DeviceHealth(when="device_health", disk_below_gb=2, cooldown_h=cooldown_h)}
    key, now = AlertKey("unwell", "pond/one disk"), NOW
    ongoing: set[AlertKey] = set()
    fired: dict[AlertKey, datetime] = {}
    for wait, holds in steps:
        now += timedelta(hours=wait)
        standing = Conditions({key: Alert(key, "", "pond", "one", now, "")} if holds else {}, set())
        begun, over = engine.begun_and_over(rules, standing, ongoing, fired, now)
        assert len(begun) <= 1
        if begun:
            assert holds
            assert key not in ongoing
            assert key not in fired or now - fired[key] >= timedelta(hours=cooldown_h)
            fired[key] = now
        ongoing = (ongoing | {firing.key for firing in begun}) - over
        if not holds:
            assert ongoing == set()
        elif cooldown_h == 0:
            assert ongoing == {key}


def test_a_rule_that_is_gone_holds_no_longer() -> None:
    gone = {AlertKey("removed", "pond/one")}
    assert engine.begun_and_over({}, Conditions({}, set()), gone, {}, NOW) == ([], gone)


def nights(*hours: float) -> dict[tuple[str, str], dict[date, float]]:
    """Hours of each night, the last of which is over; None is a night without a row."""
    last = night_of("pond", NOW - engine.SETTLED) - timedelta(days=1)
    return {("pond", "one"): {last - timedelta(days=back): h for back, h in enumerate(reversed(hours)) if h >= 0}}


@pytest.mark.parametrize(
    ("hours", "told"),
    [
        ((10, 10, 10, 10), False),
        ((10, 10, 10, 5), False),
        ((10, 10, 10, 4.9), True),
        ((10, 10, 10, -1), True),
        ((10, 4), False),  # one night says nothing about what is usual
        ((0, 0, 0, 0), False),
    ],
)
def test_a_night_with_little_effort_is_told(hours: tuple[float, ...], told: bool) -> None:
    rules: dict[str, Rule] = {"idle": EffortLow(when="effort_low", baseline_nights=3)}
    found = engine.nights_with_little_effort(rules, nights(*hours), night_of, NOW)
    assert bool(found) is told
    again = engine.nights_with_little_effort(rules, nights(*hours), night_of, NOW + timedelta(hours=3))
    assert [firing.dedup_key for firing in again] == [firing.dedup_key for firing in found], "it is the same night"
