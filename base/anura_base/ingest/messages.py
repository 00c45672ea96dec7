"""Messages of devices: as the broker delivers them, and decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from anura_edge.errors import DeliveryError
from anura_edge.wire import (
    ClipDenial,
    ClipPart,
    EffortBatch,
    EventBatch,
    Health,
    Kind,
    NoticeBatch,
    Row,
    Status,
    Update,
    parse_answer,
    parse_clip,
    parse_topic,
    parse_update,
)

Content = EventBatch | EffortBatch | NoticeBatch | Status | Health

CONTENTS: dict[Kind, type[Content]] = {
    "event": EventBatch,
    "effort": EffortBatch,
    "notice": NoticeBatch,
    "status": Status,
    "health": Health,
}
"""The payloads that a base station decodes, apart from clips and updates."""


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as the broker delivered it."""

    topic: str
    payload: bytes
    retained: bool
    """The broker had stored it, so it does not show when the device was online."""
    received_utc: datetime


class DeviceKey(NamedTuple):
    """Identifies a device: its site and its name."""

    site: str
    device: str


class JournalKey(NamedTuple):
    """Identifies a journal: its device and its id. A device has a new journal after a loss of the old one."""

    site: str
    device: str
    journal: UUID

    @property
    def columns(self) -> dict[str, Any]:
        """The values of the columns that identify it."""
        return self._asdict()


@dataclass(frozen=True)
class DecodedMessage:
    """A message with rows, a status or a health report."""

    raw: RawMessage
    site: str
    device: str
    content: Content

    @property
    def device_key(self) -> DeviceKey:
        """Its device."""
        return DeviceKey(self.site, self.device)

    @property
    def rows(self) -> Sequence[Row]:
        """Its rows, if it is a batch."""
        return () if isinstance(self.content, Status | Health) else self.content.rows

    @cached_property
    def journal_key(self) -> JournalKey | None:
        """Its journal, if it is a batch."""
        if isinstance(self.content, Status | Health):
            return None
        return JournalKey(self.site, self.device, self.content.journal)


@dataclass(frozen=True, slots=True)
class ClipMessage:
    """A part of a clip, or a device's answer that it has no clip."""

    raw: RawMessage
    site: str
    device: str
    content: ClipPart | ClipDenial


@dataclass(frozen=True, slots=True)
class UpdateMessage:
    """What a device says about a model or settings that it was given."""

    raw: RawMessage
    site: str
    device: str
    content: Update


@dataclass(frozen=True, slots=True)
class AnswerMessage:
    """An answer to a device. Our own are not sent to us, so another base station has sent it."""

    raw: RawMessage
    site: str
    device: str
    base: UUID


def decode(message: RawMessage) -> DecodedMessage | ClipMessage | UpdateMessage | AnswerMessage:
    """Decode a message. Raises DeliveryError, with the reason for the dead letter, if that is impossible."""
    site, device, kind = parse_topic(message.topic)
    if kind == "clip":
        return ClipMessage(message, site, device, parse_clip(message.payload))
    if kind == "update":
        return UpdateMessage(message, site, device, parse_update(message.payload))
    if kind == "ack":
        return AnswerMessage(message, site, device, parse_answer(message.payload).base)
    if kind not in CONTENTS:
        raise DeliveryError("commands are for devices, not for a base station")
    return DecodedMessage(message, site, device, CONTENTS[kind].from_bytes(message.payload))
