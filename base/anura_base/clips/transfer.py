"""Requests for clips, and the parts of clips that devices send.

The base station always requests the part after the last stored byte. So a file grows from its beginning, even if
messages are lost, repeated or late. Sizes, offsets and hashes from a device are checked. Only a message that changes
something is answered, so that repeated messages do not multiply.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, select, update

from anura_base.clips import blobs
from anura_base.clips.decode import read_header
from anura_base.clips.tables import OPEN, ClipState, change_time, clips
from anura_base.config.settings import ClipSettings
from anura_base.db.engine import key_matches
from anura_base.db.schema import events
from anura_edge.errors import DeliveryError, UnreadableError
from anura_edge.wire import ClipDenial, ClipPart, ClipSettled, ClipWanted, topic

MAX_OPEN = 1_000
"""Unfinished clips of one device. People play fewer clips than this, and a hostile device may offer any number."""

_FLAC_MAGIC = b"fLaC"

Replies = list[tuple[str, bytes]]
"""Topic and payload of messages to the device. They are sent after the transaction is committed."""


@dataclass(frozen=True, slots=True)
class _ClipMessage:
    """A message of a device about a clip."""

    site: str
    device: str
    content: ClipPart | ClipDenial
    received_utc: datetime


def find(connection: Connection, event_id: UUID) -> Row[Any] | None:
    """Return the row of an event's clip, or None if no clip was requested or offered."""
    return connection.execute(select(clips).where(clips.c.event_id == event_id)).first()


def request_clip(connection: Connection, event: Row[Any], by: str, now: datetime) -> None:
    """Request the clip of an event, unless it is stored or already requested. `by` is the user, "" for an offer.

    Raises DeliveryError if the device has MAX_OPEN unfinished clips.
    """
    clip = find(connection, event.id)
    if clip and clip.state in (*OPEN, ClipState.HERE):
        return
    _check_open(connection, event.site, event.device)
    values = {"state": ClipState.ASKED, "asked_by": by, "detail": "", "sha256": None, "came": 0, **change_time(now)}
    if clip:
        connection.execute(update(clips).where(clips.c.number == clip.number).values(**values))
    else:
        connection.execute(insert(clips).values(event_id=event.id, site=event.site, device=event.device, **values))


def receive(
    connection: Connection, site: str, device: str, content: ClipPart | ClipDenial, limits: ClipSettings, now: datetime
) -> Replies:
    """Store a device's message about a clip. Return the replies.

    Raises DeliveryError if the message contradicts an earlier one. Then the transaction must be rolled back.
    """
    message = _ClipMessage(site, device, content, now)
    clip = _find_own(connection, message)
    if isinstance(content, ClipDenial):
        return _store_denial(connection, message, content, clip)
    is_offer = not content.data
    if clip is None or (is_offer and clip.state not in (*OPEN, ClipState.HERE)):
        clip = _accept_offer(connection, message) if is_offer else None
    if clip is None or clip.state == ClipState.HERE:
        return [_settled(site, device, content.event)]
    if clip.state not in OPEN:
        return []
    return _store_part(connection, clip, message, content, limits)


def next_request(clip: Row[Any]) -> tuple[str, bytes]:
    """Return topic and payload of the request for the next part of a clip."""
    message = ClipWanted(command="clip", event=clip.event_id, offset=clip.came, sha256=clip.sha256)
    return topic(clip.site, clip.device, "cmd"), message.to_bytes()


def _settled(site: str, device: str, event: UUID) -> tuple[str, bytes]:
    return topic(site, device, "cmd"), ClipSettled(command="clip_settled", event=event).to_bytes()


def _find_own(connection: Connection, message: _ClipMessage) -> Row[Any] | None:
    """Return the clip that a message is about, if it belongs to the sender."""
    clip = find(connection, message.content.event)
    return clip if clip and (clip.site, clip.device) == (message.site, message.device) else None


def _accept_offer(connection: Connection, message: _ClipMessage) -> Row[Any] | None:
    key = {"id": message.content.event, "site": message.site, "device": message.device}
    event = connection.execute(select(events).where(*key_matches(events, key))).first()
    if event:
        request_clip(connection, event, "", message.received_utc)
    return _find_own(connection, message)


def _check_open(connection: Connection, site: str, device: str) -> None:
    of_device = clips.c.site == site, clips.c.device == device, clips.c.state.in_(OPEN)
    if (connection.scalar(select(func.count()).where(*of_device)) or 0) >= MAX_OPEN:
        raise DeliveryError(f"{site}/{device} already has {MAX_OPEN} unfinished clips; wait until some are stored")


def _store_denial(connection: Connection, message: _ClipMessage, denial: ClipDenial, clip: Row[Any] | None) -> Replies:
    if clip is None or clip.state not in OPEN:
        return []
    later = denial.why == "later"
    _change(connection, clip, message, state=clip.state if later else ClipState(denial.why), detail=denial.detail)
    return [] if later else _request_next(connection, message)


def _store_part(
    connection: Connection, clip: Row[Any], message: _ClipMessage, part: ClipPart, limits: ClipSettings
) -> Replies:
    if clip.sha256 != part.sha256:
        if part.offset:  # a late part of an earlier version of the file
            return []
        if reason := _refusal(connection, message, part, limits):
            return _refuse(connection, clip, message, reason)
        clip = _start_file(connection, clip, message, part)
    elif part.data and part.offset != clip.came:
        return []
    if part.size != clip.size or part.offset + len(part.data) > part.size:
        raise DeliveryError("size: differs from an earlier message, or is smaller than the data")
    if part.data and part.offset == clip.came:
        if not part.offset and not part.data.startswith(_FLAC_MAGIC):
            return _settle_and_refuse(connection, clip, message, "the data is not a FLAC file")
        blobs.append(connection, clip, part.data)
        clip = _change(connection, clip, message, detail="")
    return _finish(connection, clip, message) if clip.came == clip.size else [next_request(clip)]


def _start_file(connection: Connection, clip: Row[Any], message: _ClipMessage, part: ClipPart) -> Row[Any]:
    """Connect a clip with the file of its first part. Another event may have stored bytes of this file already."""
    stored = blobs.received_bytes(connection, message.site, message.device, part.sha256)
    file = {"sha256": part.sha256, "size": part.size, "first_sample": part.first_sample, "came": stored}
    changed = _change(connection, clip, message, state=ClipState.COMING, detail="", **file)
    blobs.delete_if_unused(connection, clip)
    return changed


def _refusal(connection: Connection, message: _ClipMessage, part: ClipPart, limits: ClipSettings) -> str | None:
    """Return why a file has no room, or None if it has room or is stored already."""
    of_device = clips.c.site == message.site, clips.c.device == message.device
    same_file = clips.c.sha256 == part.sha256, clips.c.state.in_([*OPEN, ClipState.HERE])
    sizes = set(connection.scalars(select(clips.c.size).where(*of_device, *same_file)))
    if sizes:
        return None if sizes == {part.size} else "one file cannot have two sizes"
    if blobs.total_bytes(connection, *of_device) + part.size > limits.max_mb_per_device * 1e6:
        return f"the clips of this device exceed {limits.max_mb_per_device:g} MB; raise clips.max_mb_per_device"
    if blobs.total_bytes(connection) + part.size > limits.max_mb * 1e6:
        return f"the clips of all devices exceed {limits.max_mb:g} MB; raise clips.max_mb, or set retention.clips_days"
    return None


def _finish(connection: Connection, clip: Row[Any], message: _ClipMessage) -> Replies:
    flac = blobs.read_file(connection, clip)
    if not blobs.hash_matches(flac, clip.sha256):
        return _settle_and_refuse(connection, clip, message, "the hash of the file is not the announced one")
    try:
        header = read_header(flac)
    except UnreadableError as error:
        return _settle_and_refuse(connection, clip, message, str(error))
    of_file = [*key_matches(clips, blobs.file_key(clip)), clips.c.state.in_(OPEN)]
    done = connection.scalars(select(clips.c.event_id).where(*of_file)).all()
    stored = {"state": ClipState.HERE, "detail": "", **change_time(message.received_utc)}
    connection.execute(update(clips).where(*of_file).values(rate_hz=header.rate_hz, samples=header.samples, **stored))
    settled = [_settled(message.site, message.device, event) for event in done]
    return [*settled, *_request_next(connection, message)]


def _settle_and_refuse(connection: Connection, clip: Row[Any], message: _ClipMessage, reason: str) -> Replies:
    """Refuse a file that would be wrong again if the device sent it again."""
    settled = _settled(message.site, message.device, clip.event_id)
    return [settled, *_refuse(connection, clip, message, reason)]


def _refuse(connection: Connection, clip: Row[Any], message: _ClipMessage, reason: str) -> Replies:
    _change(connection, clip, message, state=ClipState.REFUSED, detail=reason)
    blobs.delete_if_unused(connection, clip)
    return _request_next(connection, message)


def _change(connection: Connection, clip: Row[Any], message: _ClipMessage, **values: object) -> Row[Any]:
    values |= change_time(message.received_utc)
    connection.execute(update(clips).where(clips.c.number == clip.number).values(**values))
    return connection.execute(select(clips).where(clips.c.number == clip.number)).one()


def _request_next(connection: Connection, message: _ClipMessage) -> Replies:
    """Return the request for the device's next unfinished clip, or nothing."""
    of_device = clips.c.site == message.site, clips.c.device == message.device, clips.c.state.in_(OPEN)
    clip = connection.execute(select(clips).where(*of_device).order_by(clips.c.number).limit(1)).first()
    return [next_request(clip)] if clip else []
