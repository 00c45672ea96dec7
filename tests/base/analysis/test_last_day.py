"""The pages Now and Network count the last 24 hours in one way, whatever rows arrived."""

from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from anura_base.analysis.last_day import hours_of_last_day
from anura_base.analysis.network_status import device_statuses
from anura_base.analysis.sites import all_sites
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_base.web.recent_activity import read_recent_activity
from anura_edge.audio import ClockSource
from anura_edge.events import EffortState
from anura_edge.wire import batch, topic

NOW = datetime.now(UTC)
states = st.sampled_from(EffortState)
pieces = st.tuples(states, st.floats(-60, 30), st.sampled_from([0.1, 1.0, 12.0, 30.0]), st.sampled_from(ClockSource))


def store(connection: Connection, *rows: Any) -> None:
    payload = batch(UUID(int=1), 1, rows)
    ingest(connection, [RawMessage(topic("INCT04", "swamp-1", rows[0].kind), payload, False, NOW)])


def hours(connection: Connection) -> dict[str, float]:
    found = hours_of_last_day(connection, all_sites(connection, {}), NOW)
    return found.get(("INCT04", "swamp-1"), {})


def test_piece_of_twelve_hours_counts_with_its_part_in_the_day(engine: Engine, make: Any) -> None:
    """It began before the last 24 hours, or is still going on."""
    with engine.begin() as connection:
        store(connection, effort(make, 1, EffortState.ANALYSED, -30, 12))
        assert round(hours(connection)["analysed"], 3) == 6
        shown = read_recent_activity(connection, all_sites(connection, {}))
        assert abs(shown.analysed_h - 6) < 1, "the page counts up to now, and NOW is when the tests began"


def test_analysed_audio_counts_once_and_is_not_off(engine: Engine, make: Any) -> None:
    with engine.begin() as connection:
        store(connection, effort(make, 1, EffortState.OFF, -20, 17), effort(make, 2, EffortState.ANALYSED, -12, 12))
        store(connection, effort(make, 3, EffortState.ANALYSED, -12, 12))  # by another model
        assert {state: round(h, 3) for state, h in hours(connection).items()} == {"analysed": 12, "off": 8}


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=15)
@given(st.lists(pieces, min_size=1, max_size=6), st.lists(st.tuples(st.floats(-48, 30), st.booleans()), max_size=4))
def test_both_pages_count_the_same_and_a_day_has_24_hours(engine: Engine, make: Any, spans: Any, calls: Any) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        store(connection, *(effort(make, n, *piece) for n, piece in enumerate(spans, 1)))
        for number, (begin_h, has_name) in enumerate(calls, 100):
            start = NOW + timedelta(hours=begin_h)
            name = "Boana faber" if has_name else ""
            store(connection, make.event(number, start_utc=start, end_utc=start, scientific_name=name))
        sites = all_sites(connection, {})
        began_s = monotonic()
        now, network = read_recent_activity(connection, sites), device_statuses(connection, sites)
        between_h = (monotonic() - began_s) / 3600  # each reads the clock
        assert now.calls == sum(device.calls for device in network)
        difference_h = now.analysed_h - sum(device.hours.get("analysed", 0) for device in network)
        assert abs(difference_h) <= len(network) * between_h + 1e-6
        assert all(sum(device.hours.values()) <= 24 + 1e-6 for device in network)
        transaction.rollback()


def effort(
    make: Any, seq: int, state: EffortState, begin_h: float, length_h: float, clock: ClockSource = ClockSource.RECORDER
) -> Any:
    row = make.effort(seq, state, length_h)
    return row.model_copy(update={"start_utc": NOW + timedelta(hours=begin_h), "clock_source": clock})
