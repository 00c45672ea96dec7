"""Audio on its way to the base station: one piece at a time, and only while no row waits.

The base station asks for each piece, and knows what it has; the device keeps nothing of what was sent, so whatever is
killed, the next piece follows on the last that came. Nothing here can hold up a row: pieces are small, the courier
offers the link only when it is idle, and audio is looked for in a thread of its own.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

from anura_edge import wire
from anura_edge.clips.finder import ClipFinder, FoundClip
from anura_edge.clips.ranking import make_clip, parse_clip_name
from anura_edge.config.device import Config
from anura_edge.delivery.connection import CommandReceived, ConnectionEvent, MqttConnection, Published
from anura_edge.errors import DeliveryError, JournalError, JournalFullError, UnreadableError
from anura_edge.store.clip_index import ClipIndex

log = logging.getLogger(__name__)

MAX_WANTED = 16
"""Clips that wait to be sent: a base asks for one at a time."""

MIN_PART_BYTES = 256
"""A connection that ends at a piece gets half of it next time, down to this."""

OFFER_AGAIN_S = 3_600.0
"""How long a base that says nothing to an offer is left alone."""

LOOK_FOR_OFFERS_S = 60.0

_HEADER_BYTES = 512
"""Room for MQTT's header and properties, and for what a piece says of itself."""


class ClipUploader:
    """What the base station asked for. It outlives connections; only the courier's thread uses it."""

    def __init__(self, finder: ClipFinder, notes: ClipIndex, config: Config, wake: Callable[[], None]) -> None:
        """`wake` is called, by another thread, when audio was found."""
        self._finder, self._notes, self._config, self._wake = finder, notes, config, wake
        self._wanted: dict[UUID, wire.ClipWanted] = {}
        self._found: FoundClip | None = None
        self._search: Future[FoundClip] | None = None
        self._searched: UUID | None = None
        self._pool = ThreadPoolExecutor(1, "clip-finder")
        self._in_flight: int | None = None
        self._part_bytes = wire.MAX_PART_BYTES
        self._said = False
        self._offering: UUID | None = None
        self._offer_at = self._look_at = 0.0

    def begin(self, link: MqttConnection, max_packet_bytes: int) -> None:
        """Use another connection: what was asked for over the last one is asked for again."""
        if self._in_flight is not None:  # it ended at a piece: a broker may hang up at what it finds too large
            self._part_bytes = max(MIN_PART_BYTES, self._part_bytes // 2)
        self._link, self._max_packet_bytes = link, max_packet_bytes
        self._in_flight = None
        self._offer_at = self._look_at = 0.0
        self._wanted.clear()

    def close(self) -> None:
        """End the search for audio."""
        self._pool.shutdown(cancel_futures=True)

    def take(self, note: ConnectionEvent | None) -> None:
        """Act on what happened on the connection."""
        match note:
            case Published(mid, accepted) if mid == self._in_flight:
                self._in_flight = None
                if accepted:
                    self._part_bytes = min(2 * self._part_bytes, wire.MAX_PART_BYTES)
                elif not self._said:
                    self._said = True
                    log.warning("the broker does not pass clips on: %s; check its access rules", note.reason)
            case CommandReceived(payload):
                try:
                    self._obey(wire.parse_command(payload))
                except DeliveryError as error:
                    log.warning("ignoring a command: %s", error)

    def send(self) -> None:
        """Send the next piece, if one is wanted and none is on its way. Call it only while no row waits."""
        if self._in_flight is not None:
            return
        if self._wanted:
            self._answer(next(iter(self._wanted.values())))
        elif self._config.clips.upload == "best":
            self._offer()

    def _obey(self, command: wire.ClipWanted | wire.ClipSettled) -> None:
        if isinstance(command, wire.ClipWanted):
            if command.event in self._wanted or len(self._wanted) < MAX_WANTED:  # else it is asked for again
                self._wanted[command.event] = command
            return
        self._wanted.pop(command.event, None)
        self._found = None  # up to 8 MB
        self._settle(command.event)

    def _settle(self, event: UUID) -> None:
        with suppress(JournalFullError):  # then it is offered again, and settled again
            self._notes.settle(event)
        if event == self._offering:
            self._offering = None
            self._offer_at = self._look_at = 0.0

    def _answer(self, wanted: wire.ClipWanted) -> None:
        if self._config.clips.upload == "off":
            self._deny(wanted, "off", "clips.upload is off in the settings of this device")
            return
        try:
            if clip := self._look_for(wanted.event):
                self._send_part(wanted, clip)
        except UnreadableError as error:
            self._deny(wanted, "gone", str(error))
        except JournalFullError as error:
            self._deny(wanted, "later", str(error))

    def _look_for(self, event: UUID) -> FoundClip | None:
        """Return the audio of a call, or None as long as it is looked for: others may be before their turn then."""
        if self._found and self._found.event == event:
            return self._found
        if self._search is None:
            self._searched, self._search = event, self._pool.submit(self._finder.find, event)
            self._search.add_done_callback(lambda _: self._wake())
        if not self._search.done():
            return None
        search, self._search = self._search, None
        if self._searched != event:  # it was settled meanwhile
            return self._look_for(event)
        try:
            self._found = search.result()
        except (UnreadableError, JournalError):
            raise
        except Exception as error:  # whatever it is: audio that cannot be read must not cost the connection
            raise UnreadableError("gone", f"its audio cannot be read: {error}") from error
        return self._found

    def _send_part(self, wanted: wire.ClipWanted, clip: FoundClip) -> None:
        offset = wanted.offset if wanted.sha256 in (None, clip.sha256) and wanted.offset < len(clip.flac) else 0
        data = clip.flac[offset : offset + self._room()]
        if not self._may_spend(len(data)):
            megabytes = self._config.clips.upload_mb_per_day
            self._deny(wanted, "later", f"today's {megabytes:g} MB are spent (clips.upload_mb_per_day)")
            return
        self._publish(self._part(clip, offset, data))
        del self._wanted[wanted.event]

    def _room(self) -> int:
        # What is compressed takes 2 % more than its data, and what it says of itself.
        return max(1, min(self._part_bytes, (self._max_packet_bytes - _HEADER_BYTES) * 9 // 10))

    def _may_spend(self, size: int) -> bool:
        at_most = round(self._config.clips.upload_mb_per_day * 1e6)
        return self._notes.spend(size, at_most, datetime.now(UTC))

    def _part(self, clip: FoundClip, offset: int, data: bytes) -> wire.ClipPart:
        return wire.ClipPart(
            event=clip.event,
            sha256=clip.sha256,
            size=len(clip.flac),
            first_sample=clip.first_sample,
            offset=offset,
            data=data,
        )

    def _deny(self, wanted: wire.ClipWanted, why: str, detail: str) -> None:
        del self._wanted[wanted.event]
        denial = {"event": wanted.event, "why": why, "detail": detail[: wire.MAX_TEXT].replace("\0", "?")}
        self._publish(wire.ClipDenial.model_validate(denial))

    def _publish(self, message: wire.ClipPart | wire.ClipDenial) -> None:
        device = self._config.device
        self._in_flight = self._link.publish(
            wire.topic(device.site, device.name, "clip"), wire.pack(message.to_bytes())
        )

    def _offer(self) -> None:
        """Offer the clips of nights that are over, one after the other; one that nobody answers for, again later."""
        now = monotonic()
        if self._offering is None and now >= self._look_at:
            self._offering = self._next_offer()
            self._look_at = now + LOOK_FOR_OFFERS_S
        if self._offering is None or now < self._offer_at:
            return
        try:
            if clip := self._look_for(self._offering):
                self._offer_at = now + OFFER_AGAIN_S
                self._publish(self._part(clip, 0, b""))
        except UnreadableError:  # it has just been given up for a better one
            self._settle(self._offering)

    def _next_offer(self) -> UUID | None:
        zone = self._config.audio.zone or UTC
        tonight = make_clip(datetime.now(UTC), []).night(zone)
        for noted in self._notes.unsettled():
            clip = parse_clip_name(noted.name, 0)
            if not clip or not self._finder.is_saved(noted.name):
                self._settle(noted.event)
            elif clip.night(zone) < tonight:
                return noted.event
        return None
