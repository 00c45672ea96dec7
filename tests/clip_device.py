"""A simulated device that sends clips."""

import hashlib
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import soundfile as sf
from sqlalchemy import Connection, Row

from anura_base.analysis.reviews import find_event
from anura_base.clips import transfer
from anura_base.config.settings import ClipSettings
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.wire import ClipDenial, ClipPart, ClipSettled, ClipWanted, batch, pack, parse_command, parse_topic

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)

Commands = list[ClipWanted | ClipSettled]


def make_flac(seconds: float = 0.1, rate_hz: int = 22_050, seed: int = 1) -> bytes:
    """Return noise as FLAC. Noise cannot be compressed, so the size is known."""
    noise = np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate_hz))
    encoded = io.BytesIO()
    sf.write(encoded, noise, rate_hz, format="FLAC", subtype="PCM_16")
    return encoded.getvalue()


@dataclass
class ClipDevice:
    """Stores the messages of a device directly in the database, and returns the commands that answer them."""

    connection: Connection
    device: str = "swamp-1"
    site: str = "pond"
    limits: ClipSettings = field(default_factory=ClipSettings)

    def add_event(self, row: Any) -> UUID:
        """Send an event and return its id."""
        self.send_raw("event", batch(uuid4(), 1, [row]))
        return row.id

    def request(self, event: UUID) -> None:
        found = find_event(self.connection, event)
        assert found
        transfer.request_clip(self.connection, found, "maria", NOW)

    def part(self, event: UUID, flac: bytes, offset: int, length: int, **changes: Any) -> ClipPart:
        part = ClipPart(
            event=event,
            sha256=hashlib.sha256(flac).hexdigest(),
            size=len(flac),
            first_sample=220_000,
            offset=offset,
            data=flac[offset : offset + length],
        )
        return part.model_copy(update=changes)

    def send_message(self, *messages: ClipPart | ClipDenial) -> Commands:
        return [command for each in messages for command in self.send_raw("clip", pack(each.to_bytes()))]

    def send_raw(self, kind: str, payload: bytes) -> Commands:
        message = RawMessage(f"anura/v1/{self.site}/{self.device}/{kind}", payload, False, NOW)
        answers = ingest(self.connection, [message], self.limits)
        assert {parse_topic(name)[:2] for name, _ in answers} <= {(self.site, self.device)}
        return [parse_command(payload) for name, payload in answers if parse_topic(name)[2] == "cmd"]

    def send_file(self, event: UUID, flac: bytes, length: int = 1_000) -> Commands:
        """Send all requested parts of a file. Return the last commands."""
        commands = self.send_message(self.part(event, flac, self.stored(event).came, length))
        while request := next(
            (each for each in commands if isinstance(each, ClipWanted) and each.event == event), None
        ):
            commands = self.send_message(self.part(event, flac, request.offset, length))
        return commands

    def stored(self, event: UUID) -> Row[Any]:
        found = transfer.find(self.connection, event)
        assert found
        return found
