"""Asks devices for the clips that are to come.

The answers themselves ask for what follows; this begins, and goes on where an answer was lost, or where a device, the
broker or this base station was away.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, select
from sqlalchemy.exc import SQLAlchemyError

from anura_base.clips.tables import OPEN, clips
from anura_base.clips.transfer import wanted
from anura_base.db.engine import root_cause
from anura_base.db.schema import devices

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
QUIET_S = 10.0
"""A device that has sent nothing for so long is asked again, after that twice as long each time, up to the next."""
MAX_QUIET_S = 600.0


class Broker(Protocol):
    """The connection over which devices are asked."""

    @property
    def connected(self) -> bool:
        """Whether anything can be sent."""

    def publish(self, name: str, payload: bytes) -> None:
        """Send, if there is a connection."""


@dataclass(slots=True)
class _Talk:
    """How far we are with one device."""

    known: dict[UUID, int] = field(default_factory=dict)
    """Its open clips, and how many bytes there were of each."""
    moved_at: float = float("-inf")
    """When we asked, or something came."""
    wait_s: float = QUIET_S
    turn: int = -1
    """The number of the clip that was asked for last."""


class Asking:
    """Looks again and again whether somebody must be asked."""

    def __init__(self, engine: Engine, broker: Broker, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._broker, self._clock = engine, broker, clock
        self._talks: dict[tuple[str, str], _Talk] = {}
        self._failing = False

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop."""
        while not stop.wait(LOOK_EVERY_S):
            try:
                self.look()
                self._failing = False
            except SQLAlchemyError as error:
                if not self._failing:
                    log.warning("cannot look which clips to ask for: %s", root_cause(error))
                self._failing = True

    def look(self) -> None:
        """Ask each device that is there and should be asked. One that comes back is asked at once."""
        there = _open_clips(self._engine) if self._broker.connected else {}
        self._talks = {device: self._talks.get(device, _Talk()) for device in there}
        for device, waiting in there.items():
            self._look_at(self._talks[device], waiting)

    def _look_at(self, talk: _Talk, waiting: Sequence[Row[Any]]) -> None:
        now, known = self._clock(), {clip.event_id: clip.came for clip in waiting}
        if any(talk.known.get(event, came) != came for event, came in known.items()) or talk.known.keys() - known:
            talk.moved_at, talk.wait_s = now, QUIET_S  # something came, and was answered
        is_new = bool(known.keys() - talk.known) and now - talk.moved_at > QUIET_S
        talk.known = known
        if is_new or now - talk.moved_at > talk.wait_s:
            talk.wait_s = QUIET_S if is_new else min(2 * talk.wait_s, MAX_QUIET_S)
            talk.moved_at = now
            clip = next((clip for clip in waiting if clip.number > talk.turn), waiting[0])
            talk.turn = clip.number
            self._broker.publish(*wanted(clip))


def _open_clips(engine: Engine) -> dict[tuple[str, str], list[Row[Any]]]:
    """Return what is to come from devices that are there, by device, the first that was asked for first."""
    with engine.connect() as connection:
        return _by_device(connection)


def _by_device(connection: Connection) -> dict[tuple[str, str], list[Row[Any]]]:
    its_device = (devices.c.site == clips.c.site) & (devices.c.device == clips.c.device)
    query = select(clips).join(devices, its_device).where(clips.c.state.in_(OPEN), devices.c.state == "online")
    found: defaultdict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for clip in connection.execute(query.order_by(clips.c.number)):
        found[clip.site, clip.device].append(clip)
    return dict(found)
