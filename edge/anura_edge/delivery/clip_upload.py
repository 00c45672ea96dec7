"""Sends clips to the base station: one part at a time, and only while no row waits.

The base station requests each part and knows which parts it has. The device stores nothing about what it sent, so after
a kill of either side the next request continues where the last part ended. A clip never delays a row: parts are small,
the delivery worker sends them only when the connection is idle, and another thread reads the audio.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from time import monotonic
from uuid import UUID

from anura_edge import wire
from anura_edge.clips.finder import ClipFinder, FoundClip
from anura_edge.clips.ranking import make_clip, parse_clip_name
from anura_edge.config.device import DeviceSettings
from anura_edge.config.operation import ClipSettings
from anura_edge.delivery.connection import MqttConnection
from anura_edge.delivery.events import CommandReceived, ConnectionEvent, PubackReceived
from anura_edge.errors import JournalError, JournalFullError, UnreadableError
from anura_edge.store.clip_index import ClipIndex

log = logging.getLogger(__name__)

MAX_REQUESTS = 16
"""Requests that may wait. A base station requests one part at a time."""

MIN_PART_BYTES = 256
"""After a connection that ended with a part in flight, parts are half as large, down to this size."""

REPEAT_OFFER_S = 3_600.0
"""The time after which an offer without an answer is repeated."""

OFFER_INTERVAL_S = 60.0
"""The time between two searches for a clip to offer."""

_HEADER_BYTES = 512
"""Room for MQTT's header and properties, and for the fields of a part other than its data."""


class ClipUploader:
    """Answers requests for clips and offers clips. It outlives connections. Only the delivery thread uses it."""

    def __init__(
        self, finder: ClipFinder, index: ClipIndex, clips: ClipSettings, device: DeviceSettings, zone: tzinfo
    ) -> None:
        """`zone` decides which clips are of one night."""
        self._finder, self._index, self._clips, self._device, self._zone = finder, index, clips, device, zone
        self._search = _ClipSearch(finder, lambda: self._connection.wake())
        self._requests: dict[UUID, wire.ClipWanted] = {}
        self._in_flight: int | None = None
        """Message id of the message without a PUBACK."""
        self._part_bytes = wire.MAX_PART_BYTES
        self._has_warned = False
        self._offered: UUID | None = None
        self._repeat_offer_at_s = self._next_search_at_s = 0.0

    def begin(self, connection: MqttConnection, max_packet_bytes: int) -> None:
        """Use another connection. The base station repeats the requests that it made over the last one."""
        if self._in_flight is not None:  # A broker may end the connection at a message that it finds too large.
            self._part_bytes = max(MIN_PART_BYTES, self._part_bytes // 2)
        self._connection, self._max_packet_bytes = connection, max_packet_bytes
        self._in_flight = None
        self._repeat_offer_at_s = self._next_search_at_s = 0.0
        self._requests.clear()

    def close(self) -> None:
        """End the search for audio."""
        self._search.close()

    def handle(self, event: ConnectionEvent | None) -> None:
        """Act on what happened on the connection."""
        match event:
            case PubackReceived(mid, accepted) if mid == self._in_flight:
                self._in_flight = None
                if accepted:
                    self._part_bytes = min(2 * self._part_bytes, wire.MAX_PART_BYTES)
                elif not self._has_warned:
                    self._has_warned = True
                    log.warning("the broker does not pass clips on: %s; check its access rules", event.reason)
            case CommandReceived(wire.ClipWanted() | wire.ClipSettled() as command):
                self._obey(command)

    def send(self) -> None:
        """Send the next message about clips, if one is due and none is in flight. Call it only while no row waits."""
        if self._in_flight is not None:
            return
        if self._requests:
            self._answer(next(iter(self._requests.values())))
        elif self._clips.upload == "best":
            self._offer()

    def _obey(self, command: wire.ClipWanted | wire.ClipSettled) -> None:
        if isinstance(command, wire.ClipWanted):
            # A request beyond the limit is ignored: the base station repeats it.
            if command.event in self._requests or len(self._requests) < MAX_REQUESTS:
                self._requests[command.event] = command
            return
        self._requests.pop(command.event, None)
        self._search.clear()
        self._mark_done(command.event)

    def _mark_done(self, event: UUID) -> None:
        with suppress(JournalFullError):  # then the clip is offered and marked again
            self._index.mark_done(event)
        if event == self._offered:
            self._offered = None
            self._repeat_offer_at_s = self._next_search_at_s = 0.0

    # Requests

    def _answer(self, request: wire.ClipWanted) -> None:
        if self._clips.upload == "off":
            self._deny(request, "off", "clips.upload is off in the settings of this device")
            return
        try:
            if clip := self._search.result(request.event):
                self._send_part(request, clip)
        except UnreadableError as error:
            self._deny(request, "gone", str(error))
        except JournalFullError as error:
            self._deny(request, "later", str(error))

    def _send_part(self, request: wire.ClipWanted, clip: FoundClip) -> None:
        is_same_file = request.sha256 in (None, clip.sha256)
        offset = request.offset if is_same_file and request.offset < len(clip.flac) else 0
        data = clip.flac[offset : offset + self._max_data_bytes()]
        budget_mb = self._clips.upload_mb_per_day
        if not self._index.reserve_bytes(len(data), round(budget_mb * 1e6), datetime.now(UTC)):
            self._deny(request, "later", f"today's {budget_mb:g} MB are spent (clips.upload_mb_per_day)")
            return
        self._publish(_part(clip, offset, data))
        del self._requests[request.event]

    def _max_data_bytes(self) -> int:
        # A compressed part is 2 % larger than its data, plus its other fields.
        return max(1, min(self._part_bytes, (self._max_packet_bytes - _HEADER_BYTES) * 9 // 10))

    def _deny(self, request: wire.ClipWanted, why: str, detail: str) -> None:
        del self._requests[request.event]
        denial = {"event": request.event, "why": why, "detail": detail[: wire.MAX_TEXT].replace("\0", "?")}
        self._publish(wire.ClipDenial.model_validate(denial))

    def _publish(self, message: wire.ClipPart | wire.ClipDenial) -> None:
        topic = wire.topic(self._device.site, self._device.name, "clip")
        self._in_flight = self._connection.publish(topic, wire.pack(message.to_bytes()))

    # Offers

    def _offer(self) -> None:
        """Offer the clips of past nights, one after the other. An offer without an answer is repeated later."""
        now_s = monotonic()
        if self._offered is None and now_s >= self._next_search_at_s:
            self._offered = self._next_offer()
            self._next_search_at_s = now_s + OFFER_INTERVAL_S
        if self._offered is None or now_s < self._repeat_offer_at_s:
            return
        try:
            if clip := self._search.result(self._offered):
                self._repeat_offer_at_s = now_s + REPEAT_OFFER_S
                self._publish(_part(clip, 0, b""))
        except UnreadableError:  # the clip store has just deleted it for a better one
            self._mark_done(self._offered)

    def _next_offer(self) -> UUID | None:
        tonight = make_clip(datetime.now(UTC), []).night(self._zone)
        for indexed in self._index.not_done():
            clip = parse_clip_name(indexed.name, 0)
            if not clip or not self._finder.is_saved(indexed.name):
                self._mark_done(indexed.event)
            elif clip.night(self._zone) < tonight:
                return indexed.event
        return None


class _ClipSearch:
    """Finds the audio of one event at a time, in a separate thread."""

    def __init__(self, finder: ClipFinder, wake: Callable[[], None]) -> None:
        """`wake` is called in that thread when a search has ended."""
        self._finder, self._wake = finder, wake
        self._pool = ThreadPoolExecutor(1, "clip-finder")
        self._found: FoundClip | None = None
        self._search: Future[FoundClip] | None = None
        self._event: UUID | None = None

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(cancel_futures=True)

    def clear(self) -> None:
        """Free the memory of the last clip: up to 8 MB."""
        self._found = None

    def result(self, event: UUID) -> FoundClip | None:
        """Start or finish a search. Return None while it runs: other events may be answered first then.

        Raises UnreadableError if there is no audio, JournalError if the journal cannot be read.
        """
        if self._found and self._found.event == event:
            return self._found
        if self._search is None:
            self._event, self._search = event, self._pool.submit(self._finder.find, event)
            self._search.add_done_callback(lambda _: self._wake())
        if not self._search.done():
            return None
        search, self._search = self._search, None
        if self._event != event:  # the request for that event has been withdrawn meanwhile
            return self.result(event)
        try:
            self._found = search.result()
        except (UnreadableError, JournalError):
            raise
        except Exception as error:  # any error: audio that cannot be read must not end the connection
            raise UnreadableError("gone", f"its audio cannot be read: {error}") from error
        return self._found


def _part(clip: FoundClip, offset: int, data: bytes) -> wire.ClipPart:
    return wire.ClipPart(
        event=clip.event,
        sha256=clip.sha256,
        size=len(clip.flac),
        first_sample=clip.first_sample,
        offset=offset,
        data=data,
    )
