"""Requests clips from devices until each clip is stored completely.

When a part arrives, the ingest requests the next part. This loop sends the first request, and repeats a request after a
message was lost, or after the device, the broker or the base station was offline.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, select

from anura_base.clips.tables import OPEN, clips
from anura_base.clips.transfer import next_request
from anura_base.db.polling import poll_until
from anura_base.db.schema import devices

POLL_EVERY_S = 0.5
MIN_WAIT_S = 10.0
"""A request is repeated after this time without a part. The wait doubles with each repetition, up to MAX_WAIT_S."""
MAX_WAIT_S = 600.0


class Broker(Protocol):
    """The connection over which requests are sent."""

    @property
    def connected(self) -> bool:
        """Whether a message can be sent."""

    def publish(self, name: str, payload: bytes) -> None:
        """Send a message, if there is a connection."""


@dataclass(slots=True)
class _TransferState:
    """The progress of one device's clips."""

    received: dict[UUID, int] = field(default_factory=dict)
    """Received bytes of each unfinished clip, by event."""
    active_at_s: float = float("-inf")
    """Time of the last request or the last received part, on the monotonic clock."""
    wait_s: float = MIN_WAIT_S
    last_number: int = -1
    """The number of the clip that was requested last."""


class ClipRequester:
    """Polls the database for unfinished clips and requests them from the devices that are online."""

    def __init__(self, engine: Engine, broker: Broker, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._broker, self._clock = engine, broker, clock
        self._states: dict[tuple[str, str], _TransferState] = {}

    def run(self, stop: threading.Event) -> None:
        """Poll until `stop` is set."""
        poll_until(stop, POLL_EVERY_S, self.poll, "cannot read which clips to request")

    def poll(self) -> None:
        """Send the requests that are due. A device that comes online gets a request immediately."""
        open_clips = _read_open_clips(self._engine) if self._broker.connected else {}
        self._states = {device: self._states.get(device, _TransferState()) for device in open_clips}
        for device, waiting in open_clips.items():
            self._poll_device(self._states[device], waiting)

    def _poll_device(self, state: _TransferState, waiting: Sequence[Row[Any]]) -> None:
        now, received = self._clock(), {clip.event_id: clip.came for clip in waiting}
        has_grown = any(state.received.get(event, count) != count for event, count in received.items())
        if has_grown or state.received.keys() - received:  # a part came, and its reply requested the next one
            state.active_at_s, state.wait_s = now, MIN_WAIT_S
        is_new = bool(received.keys() - state.received) and now - state.active_at_s > MIN_WAIT_S
        state.received = received
        if is_new or now - state.active_at_s > state.wait_s:
            state.wait_s = MIN_WAIT_S if is_new else min(2 * state.wait_s, MAX_WAIT_S)
            state.active_at_s = now
            clip = next((clip for clip in waiting if clip.number > state.last_number), waiting[0])
            state.last_number = clip.number
            self._broker.publish(*next_request(clip))


def _read_open_clips(engine: Engine) -> dict[tuple[str, str], list[Row[Any]]]:
    """Return the unfinished clips of the devices that are online, by (site, device), the oldest request first."""
    with engine.connect() as connection:
        return _by_device(connection)


def _by_device(connection: Connection) -> dict[tuple[str, str], list[Row[Any]]]:
    same_device = (devices.c.site == clips.c.site) & (devices.c.device == clips.c.device)
    query = select(clips).join(devices, same_device).where(clips.c.state.in_(OPEN), devices.c.state == "online")
    found: defaultdict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for clip in connection.execute(query.order_by(clips.c.number)):
        found[clip.site, clip.device].append(clip)
    return dict(found)
