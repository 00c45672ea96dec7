"""Connections that are limited in number, and that end when their client is silent or stops reading.

The base station needs file descriptors for its database and its broker, so strangers must not use all of them.
"""

import asyncio
import resource
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 400
"""Enough for a team whose browsers each keep six connections open."""

RESERVED_DESCRIPTORS = 200
"""For the database, the broker, exports and uploads."""

WANTED_DESCRIPTORS = 4_096

BACKLOG = 100
"""Connections that wait to be accepted. asyncio accepts all of them before it starts to handle the first."""

REQUEST_S = 20.0
"""Time in which the head of a request must arrive: after the connection began, or after the last answer."""

UNREAD_S = 60.0
"""A client that reads less than MIN_READ_BYTES of its answer in this time is disconnected, unless it has read all."""

MIN_READ_BYTES = 32_768
"""With UNREAD_S the slowest speed is 0.5 kB/s. The slowest mobile network, GPRS, has 1 kB/s."""

CHECK_EVERY_S = 2.0


def raise_descriptor_limit() -> int:
    """Raise the limit of file descriptors of this process as far as allowed and useful. Return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(WANTED_DESCRIPTORS, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def allowed_connections(descriptors: int) -> int:
    """Return how many connections leave enough file descriptors for the rest of the base station."""
    return max(min(MAX_CONNECTIONS, descriptors - RESERVED_DESCRIPTORS), 10)


class LimitedConnection(H11Protocol):
    """A connection of the web server. If there are too many, the one that has waited longest for a request ends."""

    max_connections = MAX_CONNECTIONS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to measure the time, and make room if there are too many connections."""
        super().connection_made(transport)
        self._progress_s = self.loop.time()
        self._unsent_bytes = 0
        self._check = self.loop.call_later(CHECK_EVERY_S, self._abort_if_late)
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the measurement."""
        self._check.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Handle received bytes. uvicorn fails on an invalid request that follows one whose answer has begun."""
        try:
            super().data_received(data)
        except h11.LocalProtocolError:
            self._drop_answer()
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer an invalid request. If it was an invalid body, the route's own answer is dropped."""
        super().send_400_response(msg)
        self._drop_answer()

    def _drop_answer(self) -> None:
        if self.cycle and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self._progress_s = self.loop.time()
        super().on_response_complete()

    @property
    def _waits_for_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _make_room(self) -> None:
        others: list[Any] = [each for each in self.connections if not each.transport.is_closing()]
        if len(others) > self.max_connections:
            waiting = [each for each in others if each._waits_for_request]
            oldest = min(waiting, key=lambda each: each._progress_s, default=self)
            oldest.transport.abort()

    def _abort_if_late(self) -> None:
        """End a connection without progress. `close` would wait until the client has read everything."""
        now_s, unsent_bytes = self.loop.time(), self.transport.get_write_buffer_size()
        read_bytes = self._unsent_bytes - unsent_bytes
        # Fewer than nothing were read if the next part of the answer has come.
        if read_bytes and not 0 < read_bytes < min(MIN_READ_BYTES, self._unsent_bytes):
            self._unsent_bytes, self._progress_s = unsent_bytes, now_s
        limit_s = UNREAD_S if unsent_bytes else REQUEST_S if self._waits_for_request else float("inf")
        if now_s - self._progress_s > limit_s:
            self.transport.abort()
        else:
            self._check = self.loop.call_later(CHECK_EVERY_S, self._abort_if_late)
