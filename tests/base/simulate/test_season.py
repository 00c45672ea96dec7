from collections import Counter, defaultdict
from datetime import date, timedelta

import pytest

from anura_base.simulate.fleet import SITES, Scenario, make_fleet
from anura_base.simulate.messages import SimulatedMessage, season_messages
from anura_edge.events import EffortState
from anura_edge.wire import EffortBatch, EventBatch, NoticeBatch, Row

LAST = date(2026, 6, 10)
BATCHES = {"event": EventBatch, "effort": EffortBatch, "notice": NoticeBatch}


@pytest.fixture(scope="module")
def told() -> list[SimulatedMessage]:
    return [*season_messages(devices=14, nights=21, seed=3, last_evening=LAST)]


def rows(parcels: list[SimulatedMessage]) -> dict[tuple[str, str], list[Row]]:
    """What each recorder says, in the order of sending."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for parcel in parcels:
        if parcel.kind in BATCHES:
            batch = BATCHES[parcel.kind].from_bytes(parcel.payload)
            assert (batch.rows[0].seq, batch.rows[-1].seq) == (parcel.first_seq, parcel.last_seq)
            found[parcel.recorder.site, parcel.recorder.name] += batch.rows
    return found


def test_the_same_seed_gives_the_same_rows_and_another_gives_others(told: list[SimulatedMessage]) -> None:
    again = [*season_messages(devices=14, nights=21, seed=3, last_evening=LAST)]
    assert [each.payload for each in again if each.rows] == [each.payload for each in told if each.rows]
    assert rows([*season_messages(2, 3, 4, LAST)]) != rows([*season_messages(2, 3, 5, LAST)])


def test_each_recorder_numbers_its_rows_without_a_hole_and_no_id_comes_twice(told: list[SimulatedMessage]) -> None:
    for each in rows(told).values():
        assert [row.seq for row in each] == [*range(1, len(each) + 1)]
    ids = Counter(row.id for each in rows(told).values() for row in each)
    assert set(ids.values()) == {1}


def test_calls_lie_within_what_was_heard(told: list[SimulatedMessage]) -> None:
    for each in rows(told).values():
        heard = {EffortState.ANALYSED, EffortState.CLIPPED, EffortState.DROPPED}
        spans = defaultdict(list)
        for row in each:
            if row.kind == "effort" and row.state in heard:
                spans[row.recording].append((row.first_sample, row.first_sample + row.samples))
        for row in each:
            if row.kind == "event":
                assert any(first <= row.onset_sample < last for first, last in spans[row.recording])
                assert row.start_utc < row.end_utc <= row.start_utc + timedelta(seconds=60)


def test_every_fate_is_there_and_does_what_it_says(told: list[SimulatedMessage]) -> None:
    recorders = {(each.site, each.name): each.fate for each in make_fleet(14, 3)}
    assert set(recorders.values()) == set(Scenario)
    states = {who: {row.state for row in each if row.kind == "effort"} for who, each in rows(told).items()}
    for who, fate in recorders.items():
        if fate is Scenario.DEAF:
            assert EffortState.SILENT in states[who]
        if fate is Scenario.TIRED:
            assert EffortState.PAUSED in states[who]
    offline = [each.recorder.fate for each in told if each.kind == "status" and b"offline" in each.payload]
    assert offline
    assert set(offline) == {Scenario.LOST}


def test_frogs_keep_their_season() -> None:
    def callers(last: date) -> Counter[str]:
        return Counter(
            row.label
            for each in rows([*season_messages(6, 5, 1, last)]).values()
            for row in each
            if row.kind == "event"
        )

    winter, summer = callers(date(2026, 3, 10)), callers(date(2026, 7, 10))
    assert winter["PSECRU"] > 20 * summer["PSECRU"]
    assert summer["HYLCIN"] > 20 * max(1, winter["HYLCIN"])


def test_in_a_story_it_is_summer_whenever_it_is_told() -> None:
    def calls(**story: date) -> int:
        return sum(each.rows for each in season_messages(6, 5, 1, date(2026, 12, 10), **story) if each.kind == "event")

    assert calls(as_if=date(2026, 6, 15)) > 20 * calls()


def test_every_site_is_where_its_recorders_say(told: list[SimulatedMessage]) -> None:
    births = [each for each in told if each.kind == "status"]
    assert {each.recorder.site for each in births} == {*SITES}
    assert b"latitude_deg" in births[0].payload
