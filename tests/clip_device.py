"""A device that has clips, as far as the base station can tell."""

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
from anura_base.config.settings import Clips
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.wire import ClipDenial, ClipPart, ClipSettled, ClipWanted, batch, pack, parse_command, parse_topic

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)

Commands = list[ClipWanted | ClipSettled]


def make_flac(seconds: float = 0.1, rate_hz: int = 22_050, seed: int = 1) -> bytes:
    """Noise, as FLAC: it cannot be compressed."""
    noise = np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate_hz))
    encoded = io.BytesIO()
    sf.write(encoded, noise, rate_hz, format="FLAC", subtype="PCM_16")
    return encoded.getvalue()


@dataclass
class Speaker:
    """Puts what a device says straight into the database, and returns the commands that answer it."""

    connection: Connection
    device: str = "swamp-1"
    site: str = "pond"
    limits: Clips = field(default_factory=Clips)

    def call(self, row: Any) -> UUID:
        """Tell of a call."""
        self.raw("event", batch(uuid4(), 1, [row]))
        return row.id

    def ask(self, event: UUID) -> None:
        found = find_event(self.connection, event)
        assert found
        transfer.ask(self.connection, found, "maria", NOW)

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

    def say(self, *said: ClipPart | ClipDenial) -> Commands:
        return [command for each in said for command in self.raw("clip", pack(each.to_bytes()))]

    def raw(self, kind: str, payload: bytes) -> Commands:
        message = RawMessage(f"anura/v1/{self.site}/{self.device}/{kind}", payload, False, NOW)
        answers = ingest(self.connection, [message], self.limits)
        assert {parse_topic(name)[:2] for name, _ in answers} <= {(self.site, self.device)}
        return [parse_command(payload) for name, payload in answers if parse_topic(name)[2] == "cmd"]

    def send(self, event: UUID, flac: bytes, length: int = 1_000) -> Commands:
        """Send a file to its end, as it is asked for; return the last answers."""
        commands = self.say(self.part(event, flac, self.clip(event).came, length))
        while wanted := next((each for each in commands if isinstance(each, ClipWanted) and each.event == event), None):
            commands = self.say(self.part(event, flac, wanted.offset, length))
        return commands

    def clip(self, event: UUID) -> Row[Any]:
        found = transfer.find(self.connection, event)
        assert found
        return found
