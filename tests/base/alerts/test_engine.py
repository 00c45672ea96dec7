"""Laws of repeats, cooldowns and conditions. No database, no clock."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from anura_base.alerts.alert import Alert, AlertKey, DedupKey
from anura_base.alerts.engine import Conditions, changed_conditions, deduplicate
from anura_base.config.alerts import DeviceHealth, ListedSpecies, Rule

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAW = settings(max_examples=60, deadline=None)


def test_time_in_the_future_does_not_suppress_an_alert() -> None:
    rules: dict[str, Rule] = {"listed": ListedSpecies(when="listed_species", species=("x",), cooldown_h=3)}
    alert = Alert(AlertKey("listed", "pond/x"), "1", "pond", "one", NOW, "")
    wrong_clock = {alert.key: NOW + timedelta(days=3_650)}
    assert deduplicate(rules, [alert], set(), wrong_clock, NOW) == [alert]
    assert deduplicate(rules, [alert], {DedupKey(alert.key, "1")}, {}, NOW) == []


@LAW
@given(steps=st.lists(st.tuples(st.floats(0, 4), st.booleans()), max_size=30), cooldown_h=st.sampled_from([0, 5]))
def test_condition_is_sent_once_until_it_ends(steps: list[tuple[float, bool]], cooldown_h: float) -> None:
    rules: dict[str, Rule] = {"unwell": DeviceHealth(when="device_health", disk_below_gb=2, cooldown_h=cooldown_h)}
    key, now = AlertKey("unwell", "pond/one disk"), NOW
    ongoing: set[AlertKey] = set()
    last_sent: dict[AlertKey, datetime] = {}
    for wait_h, holds in steps:
        now += timedelta(hours=wait_h)
        conditions = Conditions({key: Alert(key, "", "pond", "one", now, "")} if holds else {}, set())
        begun, ended = changed_conditions(rules, conditions, ongoing, last_sent, now)
        assert len(begun) <= 1
        if begun:
            assert holds
            assert key not in ongoing
            assert key not in last_sent or now - last_sent[key] >= timedelta(hours=cooldown_h)
            last_sent[key] = now
        ongoing = (ongoing | {alert.key for alert in begun}) - ended
        if not holds:
            assert ongoing == set()
        elif cooldown_h == 0:
            assert ongoing == {key}


def test_condition_of_a_removed_rule_ends() -> None:
    removed = {AlertKey("removed", "pond/one")}
    assert changed_conditions({}, Conditions({}, set()), removed, {}, NOW) == ([], removed)
