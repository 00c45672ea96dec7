"""From what devices sent to what is kept to be told, on both databases."""

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
    """Let rows of one kind arrive."""

    def arrive(*rows: Row, received_utc: datetime = NOW) -> None:
        message = RawMessage(topic("pond", "one", rows[0].kind), batch(JOURNAL, 1, rows), False, received_utc)
        with engine.begin() as connection:
            ingest(connection, [message])

    return arrive


@pytest.fixture
def watch(engine: Engine) -> Callable[[], AlertEvaluator]:
    """A base station that has just started."""

    def start() -> AlertEvaluator:
        started = AlertEvaluator(engine, ALERTS, {"pond": Site(zone="America/Sao_Paulo")})
        started._since = started._devices_due = started._effort_due = NOW
        return started

    return start


def told(engine: Engine, rule: str) -> Sequence[str]:
    with engine.connect() as connection:
        return connection.scalars(
            select(firings.c.text).where(firings.c.rule == rule).order_by(firings.c.arrival)
        ).all()


def test_what_was_there_before_the_first_start_is_no_news(engine, make, send, watch) -> None:  # noqa: ANN001
    send(make.event(1))
    watch().evaluate(NOW)
    assert told(engine, "first") == []
    send(make.event(2))
    watch().evaluate(NOW)
    assert len(told(engine, "first")) == 1


def test_what_came_while_it_was_away_is_told_once_however_often_it_starts(engine, make, send, watch) -> None:  # noqa: ANN001
    watch().evaluate(NOW)
    rows = [make.event(seq) for seq in range(1, 6)] + [make.event(6, scientific_name="Hyla arborea")]
    send(*rows)
    for _ in range(3):
        watch().evaluate(NOW)
        send(*rows)
    assert [text.split(" calls")[0] for text in told(engine, "first")] == ["Physalaemus cuvieri", "Hyla arborea"]
    assert len(told(engine, "rare")) == 2


def test_two_that_look_at_once_tell_it_once(engine, make, send, watch) -> None:  # noqa: ANN001
    one, other = watch(), watch()
    one.evaluate(NOW)
    send(make.event(1))
    barrier = threading.Barrier(2)

    def look(which: AlertEvaluator) -> None:
        barrier.wait()
        try:
            which.evaluate(NOW)
        except Exception:  # whoever comes second may be refused, and looks again later
            which.evaluate(NOW)

    threads = [threading.Thread(target=look, args=(which,)) for which in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told(engine, "first")) == 1
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(deliveries)) == 1


def test_a_night_goes_from_noon_to_noon_by_the_sites_clock(engine, make, send, watch) -> None:  # noqa: ANN001
    watch().evaluate(NOW)
    noon_utc = datetime(2026, 11, 20, 15, tzinfo=UTC)  # in Sao Paulo
    starts = [noon_utc + timedelta(minutes=minutes) for minutes in (-1, 1, 12 * 60)]
    for seq, start in enumerate(starts, 1):
        send(make.event(seq, start_utc=start, end_utc=start + timedelta(seconds=1)))
    watch().evaluate(NOW)
    assert [text.split(" (")[0][-10:] for text in told(engine, "first")] == ["2026-11-19", "2026-11-20"]


def test_a_silent_device_is_told_once_and_again_when_it_was_back(engine, make, send, watch) -> None:  # noqa: ANN001
    running = watch()
    send(make.event(1))
    later = NOW
    for hours, ongoing, count in ((5, 0, 0), (7, 1, 1), (8, 1, 1), (9, 0, 1), (20, 1, 2)):
        later = NOW + timedelta(hours=hours)
        if hours == 9:
            send(make.event(2), received_utc=later)
        running.evaluate(later)
        with engine.connect() as connection:
            shown = [view for view in history.latest(connection) if view.rule == "silent"]
        assert (sum(view.over_utc is None for view in shown), len(shown)) == (ongoing, count), hours
    assert "pond/one was last heard of at 2026-11-21 08:00 UTC" in told(engine, "silent")[-1]


def test_a_restart_forgets_no_silence(engine, make, send, watch) -> None:  # noqa: ANN001
    running = watch()
    send(make.event(1))
    running.evaluate(NOW + timedelta(hours=7))
    watch().evaluate(NOW + timedelta(hours=8))
    assert len(told(engine, "silent")) == 1


def test_a_night_with_little_effort_is_told_once(engine, make, send, watch) -> None:  # noqa: ANN001
    night = datetime(2026, 11, 15, 23, tzinfo=UTC)
    hours = [8.0, 8.0, 8.0, 1.0]
    for seq, hours_heard in enumerate(hours, 1):
        row = make.effort(seq, hours=hours_heard).model_copy(
            update={"start_utc": night + timedelta(days=seq), "recording": f"r{seq}"}
        )
        send(row)
    after = night + timedelta(days=5)
    for _ in range(2):
        running = watch()
        running._effort_due = after
        running.evaluate(after)
    assert told(engine, "idle") == ["pond/one listened 1.0 h in the night of 2026-11-19; 8.0 h is usual"]


class Channel:
    """Takes alerts, or refuses them."""

    def __init__(self) -> None:
        self.got: list[AlertMessage] = []
        self.works = True

    def __call__(self, alert: AlertMessage) -> None:
        if not self.works:
            raise DeliveryError("it is away")
        self.got.append(alert)


def test_a_channel_that_was_away_gets_each_alert_once(engine, make, send, watch) -> None:  # noqa: ANN001
    watch().evaluate(NOW)
    send(make.event(1), make.event(2, scientific_name="Hyla arborea"))
    watch().evaluate(NOW)
    channel, now = Channel(), NOW
    channel.works = False
    for _ in range(3):
        AlertDelivery(engine, {"mqtt": channel}).deliver_due(now, NEVER)
        now += LONGEST_RETRY
    with engine.connect() as connection:
        ways = [view.deliveries[0] for view in history.latest(connection) if view.rule == "first"]
    assert {way.error for way in ways if way.tries} == {"it is away"}
    channel.works = True
    for _ in range(3):
        AlertDelivery(engine, {"mqtt": channel}).deliver_due(now, NEVER)
    assert sorted(alert.subject for alert in channel.got) == ["pond/Hyla arborea", "pond/Physalaemus cuvieri"]
    assert len({alert.id for alert in channel.got}) == 2


def test_a_channel_that_is_away_does_not_keep_the_others_waiting(engine, make, send, watch) -> None:  # noqa: ANN001
    running = watch()
    send(make.event(1))
    running.evaluate(NOW + timedelta(hours=7))
    away, works = Channel(), Channel()
    away.works = False
    AlertDelivery(engine, {"mqtt": away, "mail": works}).deliver_due(NOW + timedelta(hours=7), NEVER)
    assert [alert.rule for alert in works.got] == ["silent"]


def test_a_channel_that_the_settings_do_not_have_any_more_is_given_up(engine, make, send, watch) -> None:  # noqa: ANN001
    watch().evaluate(NOW)
    send(make.event(1))
    watch().evaluate(NOW)
    AlertDelivery(engine, {}).deliver_due(NOW, NEVER)
    with engine.connect() as connection:
        (way,) = next(view for view in history.latest(connection) if view.rule == "first").deliveries
    assert (way.next_try_utc, way.delivered_utc) == (None, None)
    assert "not have this channel" in (way.error or "")


def test_it_is_tried_ever_more_seldom_and_not_for_ever() -> None:
    waits = [next_try(tries, NOW, NOW) - NOW for tries in range(1, 100)]  # type: ignore[operator]
    assert waits[0] == timedelta(seconds=30)
    assert waits == sorted(waits)
    assert max(waits) == LONGEST_RETRY
    assert next_try(5, NOW, NOW + GIVE_UP_AFTER) is None


def test_a_clock_that_is_unknown_counts_by_the_arrival(engine, make, send, watch) -> None:  # noqa: ANN001
    watch().evaluate(NOW)
    send(make.event(1, clock_source="unknown", start_utc=datetime(1970, 1, 1, tzinfo=UTC)))
    watch().evaluate(NOW)
    with engine.connect() as connection:
        assert connection.scalar(select(firings.c.moment_utc).where(firings.c.rule == "first")) == NOW


def test_a_device_that_was_never_seen_is_not_silent(engine, make, send, watch) -> None:  # noqa: ANN001
    send(make.event(1))
    with engine.begin() as connection:
        connection.execute(update(devices).values(last_seen_utc=None))
    running = watch()
    running.evaluate(NOW + timedelta(days=10))
    assert told(engine, "silent") == []
