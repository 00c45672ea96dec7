"""From rows that devices sent to stored alerts and their delivery."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select, update

from anura_base.alerts import history
from anura_base.alerts.alert_message import AlertMessage
from anura_base.alerts.delivery import GIVE_UP_AFTER, LONGEST_RETRY, AlertDelivery, next_try
from anura_base.alerts.evaluator import AlertEvaluator
from anura_base.alerts.tables import deliveries, firings
from anura_base.config.alerts import AlertSettings
from anura_base.config.settings import Site
from anura_base.db.schema import devices
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.errors import DeliveryError
from anura_edge.wire import Row, batch, topic

JOURNAL = "6f1f6ee0-6d8c-4b1e-9b2b-6f8b2f3a1c11"
NOW = datetime(2026, 11, 20, 23, tzinfo=UTC)
NEVER = threading.Event()

ALERTS = AlertSettings.model_validate(
    {
        "mqtt": True,
        "mail": {"host": "mail.example", "sender": "a@b.example", "recipients": ["c@d.example"]},
        "rules": {
            "first": {"when": "first_call_of_night", "channels": ["mqtt"]},
            "rare": {"when": "rare_species", "channels": []},
            "silent": {"when": "device_silent", "after_h": 6},
            "idle": {"when": "effort_low", "baseline_nights": 3, "channels": []},
        },
    }
)


@pytest.fixture
def send(engine: Engine, make) -> Callable[..., None]:  # noqa: ANN001
    """Store rows of one kind, as if they had arrived."""

    def store(*rows: Row, received_utc: datetime = NOW) -> None:
        message = RawMessage(topic("pond", "one", rows[0].kind), batch(JOURNAL, 1, rows), False, received_utc)
        with engine.begin() as connection:
            ingest(connection, [message])

    return store


@pytest.fixture
def start(engine: Engine) -> Callable[[], AlertEvaluator]:
    """Start an evaluator, as a base station does."""

    def new() -> AlertEvaluator:
        evaluator = AlertEvaluator(engine, ALERTS, {"pond": Site(zone="America/Sao_Paulo")})
        evaluator._started_utc = evaluator._devices_due = evaluator._effort_due = NOW
        return evaluator

    return new


def texts(engine: Engine, rule: str) -> Sequence[str]:
    with engine.connect() as connection:
        return connection.scalars(
            select(firings.c.text).where(firings.c.rule == rule).order_by(firings.c.arrival)
        ).all()


def test_call_before_the_first_start_raises_no_alert(engine, make, send, start) -> None:  # noqa: ANN001
    send(make.event(1))
    start().evaluate(NOW)
    assert texts(engine, "first") == []
    send(make.event(2))
    start().evaluate(NOW)
    assert len(texts(engine, "first")) == 1


def test_unreliable_call_raises_no_alert_and_hides_none(engine, make, send, start) -> None:  # noqa: ANN001
    start().evaluate(NOW)
    send(make.event(1, is_reliable=False))
    start().evaluate(NOW)
    assert texts(engine, "first") == texts(engine, "rare") == []
    send(make.event(2))
    start().evaluate(NOW)
    assert len(texts(engine, "first")) == len(texts(engine, "rare")) == 1


def test_call_during_an_outage_is_sent_once_after_restarts(engine, make, send, start) -> None:  # noqa: ANN001
    start().evaluate(NOW)
    rows = [make.event(seq) for seq in range(1, 6)] + [make.event(6, scientific_name="Hyla arborea")]
    send(*rows)
    for _ in range(3):
        start().evaluate(NOW)
        send(*rows)
    assert [text.split(" calls")[0] for text in texts(engine, "first")] == ["Physalaemus cuvieri", "Hyla arborea"]
    assert len(texts(engine, "rare")) == 2


def test_two_evaluators_at_once_store_one_alert(engine, make, send, start) -> None:  # noqa: ANN001
    one, other = start(), start()
    one.evaluate(NOW)
    send(make.event(1))
    barrier = threading.Barrier(2)

    def evaluate(evaluator: AlertEvaluator) -> None:
        barrier.wait()
        try:
            evaluator.evaluate(NOW)
        except Exception:  # the second one may be refused, and tries again later
            evaluator.evaluate(NOW)

    threads = [threading.Thread(target=evaluate, args=(each,)) for each in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts(engine, "first")) == 1
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(deliveries)) == 1


def test_night_begins_at_noon_in_the_zone_of_the_site(engine, make, send, start) -> None:  # noqa: ANN001
    start().evaluate(NOW)
    noon_utc = datetime(2026, 11, 20, 15, tzinfo=UTC)  # in Sao Paulo
    starts = [noon_utc + timedelta(minutes=minutes) for minutes in (-1, 1, 12 * 60)]
    for seq, onset in enumerate(starts, 1):
        send(make.event(seq, start_utc=onset, end_utc=onset + timedelta(seconds=1)))
    start().evaluate(NOW)
    told = [text.partition("night of ")[2][:10] for text in texts(engine, "first")]
    assert told == ["2026-11-19", "2026-11-20"]


def test_silence_is_sent_once_and_again_after_a_message(engine, make, send, start) -> None:  # noqa: ANN001
    evaluator = start()
    send(make.event(1))
    later = NOW
    for hours, ongoing, count in ((5, 0, 0), (7, 1, 1), (8, 1, 1), (9, 0, 1), (20, 1, 2)):
        later = NOW + timedelta(hours=hours)
        if hours == 9:
            send(make.event(2), received_utc=later)
        evaluator.evaluate(later)
        with engine.connect() as connection:
            shown = [view for view in history.latest(connection) if view.rule == "silent"]
        assert (sum(view.over_utc is None for view in shown), len(shown)) == (ongoing, count), hours
    assert "pond/one sent its last message at 2026-11-21 08:00 UTC" in texts(engine, "silent")[-1]


def test_silence_is_not_sent_again_after_a_restart(engine, make, send, start) -> None:  # noqa: ANN001
    evaluator = start()
    send(make.event(1))
    evaluator.evaluate(NOW + timedelta(hours=7))
    start().evaluate(NOW + timedelta(hours=8))
    assert len(texts(engine, "silent")) == 1


def test_night_with_little_effort_is_sent_once(engine, make, send, start) -> None:  # noqa: ANN001
    night = datetime(2026, 11, 15, 23, tzinfo=UTC)
    hours = [8.0, 8.0, 8.0, 1.0]
    for seq, analysed_h in enumerate(hours, 1):
        row = make.effort(seq, hours=analysed_h).model_copy(
            update={"start_utc": night + timedelta(days=seq), "recording": f"r{seq}"}
        )
        send(row)
    after = night + timedelta(days=5)
    for _ in range(2):
        evaluator = start()
        evaluator._effort_due = after
        evaluator.evaluate(after)
    assert texts(engine, "idle") == ["pond/one analysed 1.0 h in the night of 2026-11-19; the mean is 8.0 h"]


class Channel:
    """A channel that takes alerts or refuses them."""

    def __init__(self) -> None:
        self.got: list[AlertMessage] = []
        self.works = True

    def __call__(self, alert: AlertMessage) -> None:
        if not self.works:
            raise DeliveryError("it is away")
        self.got.append(alert)


def test_channel_gets_each_alert_once_after_an_outage(engine, make, send, start) -> None:  # noqa: ANN001
    start().evaluate(NOW)
    send(make.event(1), make.event(2, scientific_name="Hyla arborea"))
    start().evaluate(NOW)
    channel, now = Channel(), NOW
    channel.works = False
    for _ in range(3):
        AlertDelivery(engine, {"mqtt": channel}).deliver_due(now, NEVER)
        now += LONGEST_RETRY
    with engine.connect() as connection:
        tried = [view.deliveries[0] for view in history.latest(connection) if view.rule == "first"]
    assert {each.error for each in tried if each.tries} == {"it is away"}
    channel.works = True
    for _ in range(3):
        AlertDelivery(engine, {"mqtt": channel}).deliver_due(now, NEVER)
    assert sorted(alert.subject for alert in channel.got) == ["pond/Hyla arborea", "pond/Physalaemus cuvieri"]
    assert len({alert.id for alert in channel.got}) == 2


def test_clock_that_jumps_for_a_moment_delays_and_drops_no_alert(engine, make, send, start) -> None:  # noqa: ANN001
    """For one round the clock is two years ahead. Afterwards silence is noticed and the alert delivered as before."""
    ahead = timedelta(days=730)
    evaluator, channel = start(), Channel()
    evaluator.evaluate(NOW)
    send(make.event(1))
    evaluator.evaluate(NOW)
    channel.works = False
    AlertDelivery(engine, {"mqtt": channel}).deliver_due(NOW + ahead, NEVER)
    evaluator.evaluate(NOW + ahead)
    evaluator.evaluate(NOW + timedelta(minutes=2))
    channel.works = True
    AlertDelivery(engine, {"mqtt": channel}).deliver_due(NOW + timedelta(minutes=2), NEVER)
    assert "pond/Physalaemus cuvieri" in {alert.subject for alert in channel.got}
    evaluator.evaluate(NOW + timedelta(hours=7))
    with engine.connect() as connection:
        assert [view for view in history.latest(connection) if view.rule == "silent" and not view.over_utc]


def test_failing_channel_does_not_delay_the_others(engine, make, send, start) -> None:  # noqa: ANN001
    evaluator = start()
    send(make.event(1))
    evaluator.evaluate(NOW + timedelta(hours=7))
    away, works = Channel(), Channel()
    away.works = False
    AlertDelivery(engine, {"mqtt": away, "mail": works}).deliver_due(NOW + timedelta(hours=7), NEVER)
    assert [alert.rule for alert in works.got] == ["silent"]


def test_delivery_to_a_removed_channel_is_given_up(engine, make, send, start) -> None:  # noqa: ANN001
    start().evaluate(NOW)
    send(make.event(1))
    start().evaluate(NOW)
    AlertDelivery(engine, {}).deliver_due(NOW, NEVER)
    with engine.connect() as connection:
        (tried,) = next(view for view in history.latest(connection) if view.rule == "first").deliveries
    assert (tried.next_try_utc, tried.delivered_utc) == (None, None)
    assert "no longer contain this channel" in (tried.error or "")


def test_retries_become_rarer_and_end() -> None:
    waits = [next_try(tries, NOW, NOW) - NOW for tries in range(1, 100)]  # type: ignore[operator]
    assert waits[0] == timedelta(seconds=30)
    assert waits == sorted(waits)
    assert max(waits) == LONGEST_RETRY
    assert next_try(5, NOW, NOW + GIVE_UP_AFTER) is None


def test_call_with_unknown_clock_counts_from_its_arrival(engine, make, send, start) -> None:  # noqa: ANN001
    start().evaluate(NOW)
    send(make.event(1, clock_source="unknown", start_utc=datetime(1970, 1, 1, tzinfo=UTC)))
    start().evaluate(NOW)
    with engine.connect() as connection:
        assert connection.scalar(select(firings.c.moment_utc).where(firings.c.rule == "first")) == NOW


def test_device_that_was_never_seen_is_not_silent(engine, make, send, start) -> None:  # noqa: ANN001
    send(make.event(1))
    with engine.begin() as connection:
        connection.execute(update(devices).values(last_seen_utc=None))
    evaluator = start()
    evaluator.evaluate(NOW + timedelta(days=10))
    assert texts(engine, "silent") == []
