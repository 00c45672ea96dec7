"""The simulated season: numbered rows, calls in recorded audio, faults and seasons."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta

import pytest

from anura_base.simulate.fleet import SITES, Scenario, make_fleet
from anura_base.simulate.messages import SimulatedMessage, season_messages
from anura_edge.events import EffortState
from anura_edge.wire import EffortBatch, EventBatch, NoticeBatch, Row

LAST = date(2026, 6, 10)
DEVICES, NIGHTS, SEED = 7, 21, 3
BATCHES = {"event": EventBatch, "effort": EffortBatch, "notice": NoticeBatch}

RowsByRecorder = dict[tuple[str, str], list[Row]]


@pytest.fixture(scope="module")
def messages() -> list[SimulatedMessage]:
    return [*season_messages(DEVICES, NIGHTS, SEED, LAST)]


@pytest.fixture(scope="module")
def rows(messages: list[SimulatedMessage]) -> RowsByRecorder:
    return decode(messages)


def decode(messages: Iterable[SimulatedMessage]) -> RowsByRecorder:
    """Return the rows of each recorder, in the order of sending."""
    found: RowsByRecorder = defaultdict(list)
    for message in messages:
        if message.kind in BATCHES:
            batch = BATCHES[message.kind].from_bytes(message.payload)
            assert (batch.rows[0].seq, batch.rows[-1].seq) == (message.first_seq, message.last_seq)
            found[message.device.site, message.device.name] += batch.rows
    return found


def test_equal_seeds_give_equal_rows(messages: list[SimulatedMessage]) -> None:
    again = [*season_messages(DEVICES, NIGHTS, SEED, LAST)]
    assert [each.payload for each in again if each.rows] == [each.payload for each in messages if each.rows]
    assert decode(season_messages(2, 3, 4, LAST)) != decode(season_messages(2, 3, 5, LAST))


def test_rows_are_numbered_without_holes_and_ids_are_unique(rows: RowsByRecorder) -> None:
    for each in rows.values():
        assert [row.seq for row in each] == [*range(1, len(each) + 1)]
    ids = Counter(row.id for each in rows.values() for row in each)
    assert set(ids.values()) == {1}


def test_calls_are_inside_recorded_audio(rows: RowsByRecorder) -> None:
    recorded = {EffortState.ANALYSED, EffortState.CLIPPED, EffortState.DROPPED}
    for each in rows.values():
        spans = defaultdict(list)
        for row in each:
            if row.kind == "effort" and row.state in recorded:
                spans[row.recording].append((row.first_sample, row.first_sample + row.samples))
        for row in each:
            if row.kind == "event":
                assert any(first <= row.onset_sample < last for first, last in spans[row.recording])
                assert row.start_utc < row.end_utc <= row.start_utc + timedelta(seconds=60)


def test_each_scenario_occurs_with_its_effect(messages: list[SimulatedMessage], rows: RowsByRecorder) -> None:
    scenarios = {(each.site, each.name): each.scenario for each in make_fleet(DEVICES, SEED)}
    assert set(scenarios.values()) == set(Scenario)
    states = {device: {row.state for row in each if row.kind == "effort"} for device, each in rows.items()}
    for device, scenario in scenarios.items():
        if scenario is Scenario.SILENT_MICROPHONE:
            assert EffortState.SILENT in states[device]
        if scenario is Scenario.LOW_BATTERY:
            assert EffortState.PAUSED in states[device]
    offline = [each.device.scenario for each in messages if each.kind == "status" and b"offline" in each.payload]
    assert offline
    assert set(offline) == {Scenario.LOST}


def test_species_call_in_their_season() -> None:
    def callers(last: date) -> Counter[str]:
        rows = decode(season_messages(6, 5, 1, last))
        return Counter(row.label for each in rows.values() for row in each if row.kind == "event")

    winter, summer = callers(date(2026, 3, 10)), callers(date(2026, 7, 10))
    assert winter["PSECRU"] > 20 * summer["PSECRU"]
    assert summer["HYLCIN"] > 20 * max(1, winter["HYLCIN"])


def test_calendar_date_decides_which_frogs_call() -> None:
    def calls(calendar_date: date | None = None) -> int:
        season = season_messages(6, 5, 1, date(2026, 12, 10), calendar_date)
        return sum(each.rows for each in season if each.kind == "event")

    assert calls(date(2026, 6, 15)) > 20 * calls()


def test_status_contains_the_position_of_the_site(messages: list[SimulatedMessage]) -> None:
    statuses = [each for each in messages if each.kind == "status"]
    assert {each.device.site for each in statuses} == {*SITES}
    assert b"latitude_deg" in statuses[0].payload
