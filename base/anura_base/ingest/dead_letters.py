"""Messages that the base station cannot use: stored with the reason, and refused if they are batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select

from anura_base.db.schema import dead_letters
from anura_base.ingest.messages import RawMessage
from anura_edge.errors import DeliveryError
from anura_edge.wire import Refusal, device_key, digest, parse_topic, topic

MAX_DEAD_LETTERS = 1_000
MAX_DEAD_LETTER_BYTES = 512
"""Enough of a payload to find its sender, too little to fill a disk."""
MAX_STORED_BYTES = 16_384
"""A batch of at most this size is stored whole, so that it can be tried again: 16 MB for all dead letters."""
MAX_TEXT = 200
"""Longest reason or topic that is stored."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that cannot be used."""

    message: RawMessage
    reason: str

    def refusals(self, base: UUID, secret: bytes) -> list[tuple[str, bytes]]:
        """Return the signed answer to the device, as topic and payload; for other messages than batches, nothing.

        The device uses it to find the row that the base station cannot read.
        """
        if not is_batch(self.message.topic):
            return []
        site, device, _ = parse_topic(self.message.topic)
        refusal = Refusal(base=base, refused=digest(self.message.payload), reason=_storable(self.reason))
        return [(topic(site, device, "ack"), refusal.signed(device_key(secret, device)).to_bytes())]


def is_batch(name: str) -> bool:
    """Return whether a topic is one of batches of rows."""
    try:
        return parse_topic(name)[2] in ("event", "effort", "notice")
    except DeliveryError:
        return False


def store_dead_letters(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """Insert dead letters, and delete the oldest beyond MAX_DEAD_LETTERS."""
    if not letters:
        return
    rows = [
        {
            "topic": _storable(each.message.topic),
            "payload_head": each.message.payload[:MAX_DEAD_LETTER_BYTES],
            "payload": each.message.payload if _can_be_tried_again(each.message) else None,
            "reason": _storable(each.reason),
            "received_utc": each.message.received_utc,
        }
        for each in letters
    ]
    connection.execute(insert(dead_letters), rows)
    newest = select(func.max(dead_letters.c.arrival)).scalar_subquery()
    connection.execute(delete(dead_letters).where(dead_letters.c.arrival <= newest - MAX_DEAD_LETTERS))


def _can_be_tried_again(message: RawMessage) -> bool:
    return len(message.payload) <= MAX_STORED_BYTES and is_batch(message.topic)


def _storable(text: str) -> str:
    """Shorten a text and replace NUL, which PostgreSQL cannot store. A reason may quote the message."""
    return text[:MAX_TEXT].replace("\0", "?")
