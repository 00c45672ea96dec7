"""Laws of the rules about calls. No database, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from anura_base.alerts.alert import Alert
from anura_base.alerts.call_rules import CallInfo, call_alerts
from anura_base.alerts.engine import deduplicate
from anura_base.config.alerts import FirstCall, ListedSpecies, RareSpecies, Rule
from anura_edge.events import night_of_local_time

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAW = settings(max_examples=60, deadline=None)

RULES: dict[str, Rule] = {
    "first": FirstCall(when="first_call_of_night", min_score=0.5),
    "listed": ListedSpecies(when="listed_species", species=("Hyla arborea", "label b"), cooldown_h=3),
    "rare": RareSpecies(when="rare_species", absent_days=2, sites=("pond",), max_age_h=1_000),
}


def night_of(_site: str, moment: datetime) -> date:
    return night_of_local_time(moment)


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
class AlertLog:
    """The alerts and last calls, as a database stores them."""

    sent: list[tuple[datetime, Alert]] = field(default_factory=list)
    last_calls: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def evaluate(self, calls: Sequence[CallInfo], now: datetime = NOW) -> None:
        found = call_alerts(RULES, calls, self.last_calls, night_of, now)
        dedup_keys = {alert.dedup_key for _, alert in self.sent}
        last_sent = {alert.key: moment for moment, alert in self.sent}
        self.sent += [(now, alert) for alert in deduplicate(RULES, found, dedup_keys, last_sent, now)]
        for call in calls:
            key = call.site, call.species
            self.last_calls[key] = max(self.last_calls.get(key, call.time_utc), call.time_utc)


@LAW
@given(calls=some_calls(), cuts=st.sets(st.integers(0, 25)))
def test_alerts_do_not_depend_on_grouping(calls: list[CallInfo], cuts: set[int]) -> None:
    together, in_parts = AlertLog(), AlertLog()
    together.evaluate(calls)
    edges = [0, *sorted(cut for cut in cuts if cut < len(calls)), len(calls)]
    for first, end in pairwise(edges):
        in_parts.evaluate(calls[first:end])
    assert in_parts.sent == together.sent


@LAW
@given(calls=some_calls())
def test_repeated_call_is_sent_once(calls: list[CallInfo]) -> None:
    log = AlertLog()
    log.evaluate(calls)
    once = list(log.sent)
    for later in (NOW, NOW + timedelta(minutes=1), NOW + timedelta(days=40)):
        log.evaluate(calls, later)
    assert log.sent == once


@LAW
@given(calls=some_calls(), waits_h=st.lists(st.floats(0, 5), max_size=25))
def test_alerts_of_a_key_keep_the_cooldown(calls: list[CallInfo], waits_h: list[float]) -> None:
    log, now = AlertLog(), NOW
    for call, wait_h in zip(calls, waits_h, strict=False):
        now += timedelta(hours=wait_h)
        log.evaluate([call], now)
    for key in {alert.key for _, alert in log.sent}:
        moments = [moment for moment, alert in log.sent if alert.key == key]
        cooldown = timedelta(hours=RULES[key.rule].cooldown_h)
        assert all(later - earlier >= cooldown for earlier, later in pairwise(moments))


@LAW
@given(calls=some_calls())
def test_first_call_is_sent_once_per_species_and_night(calls: list[CallInfo]) -> None:
    log = AlertLog()
    log.evaluate(calls)
    nights = [(alert.key.subject, alert.dedup_id) for _, alert in log.sent if alert.key.rule == "first"]
    assert len(nights) == len(set(nights))
    expected = {
        (f"{c.site}/{c.species}", night_of(c.site, c.time_utc).isoformat())
        for c in calls
        if c.p_peak >= 0.5 and NOW - c.time_utc <= timedelta(hours=48)
    }
    assert set(nights) == expected


def call(hours: float, site: str = "pond", species: str = "Bufo bufo", p: float = 0.9) -> CallInfo:
    return CallInfo(f"{hours}", site, "one", species, "x", NOW + timedelta(hours=hours), p)


def test_species_is_rare_after_a_long_absence_at_its_site() -> None:
    log = AlertLog()
    log.evaluate([call(-100), call(-90), call(-30), call(-29), call(-1, site="river")])
    rare = [alert for _, alert in log.sent if alert.key.rule == "rare"]
    assert [alert.moment_utc for alert in rare] == [NOW - timedelta(hours=100), NOW - timedelta(hours=30)]
    assert "no call of it had arrived before (" in rare[0].text
    assert "its call before was on 2026-11-16 (" in rare[1].text


def test_alert_says_what_arrived_not_what_was_first() -> None:
    """A device sends its newest events first: the earlier calls of the night come later."""
    log = AlertLog()
    log.evaluate([call(-1), call(-3)])
    (first,) = [alert for _, alert in log.sent if alert.key.rule == "first"]
    assert "the first call of the night of 2026-11-19 that arrived (" in first.text
    assert "first time" not in "".join(alert.text for _, alert in log.sent)


def test_control_characters_in_a_name_are_replaced() -> None:
    odd = call(0, species="Bufo\r\nBcc: x\x1b[2J")
    (alert,) = call_alerts({"first": RULES["first"]}, [odd], {}, night_of, NOW)
    assert "Bufo??Bcc: x?[2J calls" in alert.text
