"""Requests to devices that are online: immediately after a return, less often without an answer."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from anura_base.clips import request_loop
from anura_base.clips.request_loop import ClipRequester
from anura_base.db.engine import open_database
from anura_edge.wire import ClipWanted, Status, parse_command

STEP_S = 5


class Station:
    """A clip requester with a clock that the test sets."""

    def __init__(self, engine: Engine, clip_devices: Callable[..., Any]) -> None:
        self.engine, self.clip_devices, self.now_s = engine, clip_devices, 0.0
        self.requests: list[ClipWanted] = []
        self.broker = SimpleNamespace(connected=True, publish=self._store)
        self.requester = ClipRequester(engine, self.broker, lambda: self.now_s)

    def _store(self, _topic: str, payload: bytes) -> None:
        command = parse_command(payload)
        assert isinstance(command, ClipWanted)
        self.requests.append(command)

    def status(self, state: str) -> None:
        with self.engine.begin() as connection:
            self.clip_devices(connection).send_raw("status", Status.model_validate({"state": state}).to_bytes())

    def run(self, action: Callable[[Any], Any]) -> Any:
        with self.engine.begin() as connection:
            return action(self.clip_devices(connection))

    def poll(self, after_s: float) -> list[ClipWanted]:
        self.now_s += after_s
        self.requests = []
        self.requester.poll()
        return self.requests


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def station(engine: Engine, clip_devices: Callable[..., Any]) -> Iterator[Station]:
    station = Station(engine, clip_devices)
    station.status("online")
    return station


def test_silent_device_is_asked_less_and_less_often(station: Station, make: Any) -> None:
    event = station.run(lambda device: device.add_event(make.event(1)))
    assert station.poll(0) == []
    station.run(lambda device: device.request(event))
    assert [each.event for each in station.poll(0.5)] == [event]
    waits = []
    for _ in range(9):
        waited_s = STEP_S
        while not station.poll(STEP_S):
            waited_s += STEP_S
        waits.append(waited_s)
    assert waits == sorted(waits)
    assert waits[0] == request_loop.MIN_WAIT_S + STEP_S
    assert waits[-1] == waits[-2] == request_loop.MAX_WAIT_S + STEP_S


def test_request_is_repeated_only_after_a_lost_part(station: Station, make: Any, flac: Callable[..., bytes]) -> None:
    event, file = station.run(lambda device: device.add_event(make.event(1))), flac()
    station.run(lambda device: device.request(event))
    assert station.poll(0)
    for offset in range(0, 3_000, 1_000):
        station.run(lambda device, offset=offset: device.send_message(device.part(event, file, offset, 1_000)))
        assert station.poll(request_loop.MIN_WAIT_S - 1) == []
    (again,) = station.poll(request_loop.MIN_WAIT_S + 1)
    assert (again.event, again.offset) == (event, 3_000)


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_returned_device_or_broker_gets_a_request_at_once(station: Station, make: Any) -> None:
    event = station.run(lambda device: device.add_event(make.event(1)))
    station.run(lambda device: device.request(event))
    assert station.poll(0)
    station.status("offline")
    assert station.poll(9_999) == []
    station.status("online")
    assert station.poll(0.5)
    station.broker.connected = False
    assert station.poll(9_999) == []
    station.broker.connected = True
    assert station.poll(0.5)


def test_missing_clip_does_not_block_the_others(station: Station, make: Any) -> None:
    events = [station.run(lambda device, seq=seq: device.add_event(make.event(seq))) for seq in (1, 2, 3)]
    for event in events:
        station.run(lambda device, event=event: device.request(event))
    requested = [each.event for _ in range(4) for each in station.poll(9_999)]
    assert requested == [*events, events[0]]
