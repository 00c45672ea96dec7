"""A device that is there is asked until a clip is here: at once when it comes back, seldom when it is silent."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from anura_base.clips import request_loop
from anura_base.clips.request_loop import Asking
from anura_edge.wire import ClipWanted, Status, parse_command

STEP_S = 5


class Station:
    """An asking whose clock a test moves."""

    def __init__(self, engine: Engine, speakers: Callable[..., Any]) -> None:
        self.engine, self.speakers, self.now_s = engine, speakers, 0.0
        self.asked: list[ClipWanted] = []
        self.broker = SimpleNamespace(connected=True, publish=self._take)
        self.asking = Asking(engine, self.broker, lambda: self.now_s)

    def _take(self, _topic: str, payload: bytes) -> None:
        command = parse_command(payload)
        assert isinstance(command, ClipWanted)
        self.asked.append(command)

    def status(self, state: str) -> None:
        with self.engine.begin() as connection:
            self.speakers(connection).raw("status", Status.model_validate({"state": state}).to_bytes())

    def do(self, what: Callable[[Any], Any]) -> Any:
        with self.engine.begin() as connection:
            return what(self.speakers(connection))

    def look(self, after_s: float) -> list[ClipWanted]:
        self.now_s += after_s
        self.asked = []
        self.asking.look()
        return self.asked


@pytest.fixture
def station(engine: Engine, speakers: Callable[..., Any]) -> Iterator[Station]:
    station = Station(engine, speakers)
    station.status("online")
    return station


def test_a_device_that_says_nothing_is_asked_less_and_less_often(station: Station, make: Any) -> None:
    event = station.do(lambda speaker: speaker.call(make.event(1)))
    assert station.look(0) == []
    station.do(lambda speaker: speaker.ask(event))
    assert [each.event for each in station.look(0.5)] == [event]
    waits = []
    for _ in range(9):
        waited_s = STEP_S
        while not station.look(STEP_S):
            waited_s += STEP_S
        waits.append(waited_s)
    assert waits == sorted(waits)
    assert waits[0] == request_loop.QUIET_S + STEP_S
    assert waits[-1] == waits[-2] == request_loop.MAX_QUIET_S + STEP_S


def test_while_pieces_come_nobody_is_asked_twice_and_after_a_loss_from_where_it_was(
    station: Station, make: Any, flac: Callable[..., bytes]
) -> None:
    event, file = station.do(lambda speaker: speaker.call(make.event(1))), flac()
    station.do(lambda speaker: speaker.ask(event))
    assert station.look(0)
    for offset in range(0, 3_000, 1_000):
        station.do(lambda speaker, offset=offset: speaker.say(speaker.part(event, file, offset, 1_000)))
        assert station.look(request_loop.QUIET_S - 1) == []
    (again,) = station.look(request_loop.QUIET_S + 1)
    assert (again.event, again.offset) == (event, 3_000)


def test_a_device_or_broker_that_comes_back_is_asked_at_once(station: Station, make: Any) -> None:
    event = station.do(lambda speaker: speaker.call(make.event(1)))
    station.do(lambda speaker: speaker.ask(event))
    assert station.look(0)
    station.status("offline")
    assert station.look(9_999) == []
    station.status("online")
    assert station.look(0.5)
    station.broker.connected = False
    assert station.look(9_999) == []
    station.broker.connected = True
    assert station.look(0.5)


def test_a_clip_that_does_not_come_is_not_in_the_way_of_the_others(station: Station, make: Any) -> None:
    events = [station.do(lambda speaker, seq=seq: speaker.call(make.event(seq))) for seq in (1, 2, 3)]
    for event in events:
        station.do(lambda speaker, event=event: speaker.ask(event))
    asked = [each.event for _ in range(4) for each in station.look(9_999)]
    assert asked == [*events, events[0]]
