"""Where clips are asked for and received.

A device is asked for the piece that follows on what is here, so whatever is lost, doubled or late, a file grows from
its beginning, or not at all. What comes is believed in nothing: sizes, places and hashes are checked. An answer goes
out only for a message that brought something, so that doubled ones die out.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, select, update

from anura_base.clips import blobs
from anura_base.clips.decode import head_of
from anura_base.clips.tables import OPEN, ClipState, clips
from anura_base.config.settings import Clips
from anura_base.db.engine import key_matches
from anura_base.db.schema import events
from anura_edge.errors import DeliveryError, UnreadableError
from anura_edge.wire import ClipDenial, ClipPart, ClipSettled, ClipWanted, topic

MAX_OPEN = 1_000
"""Clips of one device that are on their way: nobody listens to more, and a hostile device may offer any number."""

_FLAC = b"fLaC"

Answers = list[tuple[str, bytes]]
"""Topic and payload of what to say, once what was done is committed."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A message of a device about a clip."""

    site: str
    device: str
    content: ClipPart | ClipDenial
    received_utc: datetime


def find(connection: Connection, event_id: UUID) -> Row[Any] | None:
    """Return what is known of a call's clip, None if nobody asked for it."""
    return connection.execute(select(clips).where(clips.c.event_id == event_id)).first()


def ask(connection: Connection, event: Row[Any], by: str, now: datetime) -> None:
    """Ask for a call's clip, unless it is here or on its way.

    Raises DeliveryError when too many of its device are on their way.
    """
    there = find(connection, event.id)
    if there and there.state in (*OPEN, ClipState.HERE):
        return
    _check_open(connection, event.site, event.device)
    values = {"state": ClipState.ASKED, "asked_by": by, "changed_utc": now, "detail": "", "sha256": None, "came": 0}
    if there:
        connection.execute(update(clips).where(clips.c.number == there.number).values(**values))
    else:
        connection.execute(insert(clips).values(event_id=event.id, site=event.site, device=event.device, **values))


def receive(
    connection: Connection, site: str, device: str, content: ClipPart | ClipDenial, limits: Clips, now: datetime
) -> Answers:
    """Take what a device says of a clip, and return what to answer.

    Raises DeliveryError if it contradicts itself; then none of it may be committed.
    """
    told = _Told(site, device, content, now)
    clip = _own(connection, told)
    if isinstance(content, ClipDenial):
        return _denied(connection, told, content, clip)
    is_offer = not content.data
    if clip is None or (is_offer and clip.state not in (*OPEN, ClipState.HERE)):
        clip = _take_offer(connection, told) if is_offer else None
    if clip is None or clip.state == ClipState.HERE:
        return [_settled(site, device, content.event)]
    if clip.state not in OPEN:
        return []
    return _taken(connection, clip, told, content, limits)


def wanted(clip: Row[Any]) -> tuple[str, bytes]:
    """Return how to ask a device for the next piece of a clip."""
    message = ClipWanted(command="clip", event=clip.event_id, offset=clip.came, sha256=clip.sha256)
    return topic(clip.site, clip.device, "cmd"), message.to_bytes()


def _settled(site: str, device: str, event: UUID) -> tuple[str, bytes]:
    return topic(site, device, "cmd"), ClipSettled(command="clip_settled", event=event).to_bytes()


def _own(connection: Connection, told: _Told) -> Row[Any] | None:
    """Return the clip that is spoken of, if it is the device's own."""
    clip = find(connection, told.content.event)
    return clip if clip and (clip.site, clip.device) == (told.site, told.device) else None


def _take_offer(connection: Connection, told: _Told) -> Row[Any] | None:
    key = {"id": told.content.event, "site": told.site, "device": told.device}
    event = connection.execute(select(events).where(*key_matches(events, key))).first()
    if event:
        ask(connection, event, "", told.received_utc)
    return _own(connection, told)


def _check_open(connection: Connection, site: str, device: str) -> None:
    its = clips.c.site == site, clips.c.device == device, clips.c.state.in_(OPEN)
    if (connection.scalar(select(func.count()).where(*its)) or 0) >= MAX_OPEN:
        raise DeliveryError(f"{MAX_OPEN} clips of {site}/{device} are on their way; wait until some are here")


def _denied(connection: Connection, told: _Told, denial: ClipDenial, clip: Row[Any] | None) -> Answers:
    if clip is None or clip.state not in OPEN:
        return []
    later = denial.why == "later"
    _change(connection, clip, told, state=clip.state if later else ClipState(denial.why), detail=denial.detail)
    return [] if later else _next(connection, told)


def _taken(connection: Connection, clip: Row[Any], told: _Told, part: ClipPart, limits: Clips) -> Answers:
    if clip.sha256 != part.sha256:
        if part.offset:  # a late piece of what the file was before
            return []
        if reason := _objection(connection, told, part, limits):
            return _refused(connection, clip, told, reason)
        has = blobs.came(connection, told.site, told.device, part.sha256)  # another call may be in the same file
        about = {"sha256": part.sha256, "size": part.size, "first_sample": part.first_sample, "came": has}
        before, clip = clip, _change(connection, clip, told, state=ClipState.COMING, detail="", **about)
        blobs.release(connection, before)
    elif part.data and part.offset != clip.came:
        return []
    if part.size != clip.size or part.offset + len(part.data) > part.size:
        raise DeliveryError("size: not what was said before, or less than there is")
    if part.data and part.offset == clip.came:
        if not part.offset and not part.data.startswith(_FLAC):
            return _useless(connection, clip, told, "what came is no FLAC file")
        blobs.add(connection, clip, part.data)
        clip = _change(connection, clip, told, detail="")
    return _finished(connection, clip, told) if clip.came == clip.size else [wanted(clip)]


def _objection(connection: Connection, told: _Told, part: ClipPart, limits: Clips) -> str | None:
    """Say why there is no room for a file; None if there is, or if it is there already."""
    its = clips.c.site == told.site, clips.c.device == told.device
    known = select(clips.c.size).where(*its, clips.c.sha256 == part.sha256, clips.c.state.in_([*OPEN, ClipState.HERE]))
    sizes = set(connection.scalars(known))
    if sizes:
        return None if sizes == {part.size} else "one file cannot have two sizes"
    if blobs.sizes(connection, *its) + part.size > limits.max_mb_per_device * 1e6:
        return f"this device's clips may have {limits.max_mb_per_device:g} MB; raise clips.max_mb_per_device"
    if blobs.sizes(connection) + part.size > limits.max_mb * 1e6:
        return f"clips may have {limits.max_mb:g} MB in all; raise clips.max_mb, or set retention.clips_days"
    return None


def _finished(connection: Connection, clip: Row[Any], told: _Told) -> Answers:
    flac = blobs.read(connection, clip)
    if not blobs.is_whole(flac, clip.sha256):
        return _useless(connection, clip, told, "what came is not what was announced: its hash is another")
    try:
        head = head_of(flac)
    except UnreadableError as error:
        return _useless(connection, clip, told, str(error))
    of_file = [*key_matches(clips, blobs.key(clip)), clips.c.state.in_(OPEN)]
    done = connection.scalars(select(clips.c.event_id).where(*of_file)).all()
    here = {"state": ClipState.HERE, "detail": "", "changed_utc": told.received_utc}
    connection.execute(update(clips).where(*of_file).values(rate_hz=head.rate_hz, samples=head.samples, **here))
    return [*(_settled(told.site, told.device, event) for event in done), *_next(connection, told)]


def _useless(connection: Connection, clip: Row[Any], told: _Told, reason: str) -> Answers:
    """Refuse what would be no better a second time."""
    return [_settled(told.site, told.device, clip.event_id), *_refused(connection, clip, told, reason)]


def _refused(connection: Connection, clip: Row[Any], told: _Told, reason: str) -> Answers:
    _change(connection, clip, told, state=ClipState.REFUSED, detail=reason)
    blobs.release(connection, clip)
    return _next(connection, told)


def _change(connection: Connection, clip: Row[Any], told: _Told, **values: object) -> Row[Any]:
    values["changed_utc"] = told.received_utc
    connection.execute(update(clips).where(clips.c.number == clip.number).values(**values))
    return connection.execute(select(clips).where(clips.c.number == clip.number)).one()


def _next(connection: Connection, told: _Told) -> Answers:
    """Return how to ask for the device's next clip, if there is one."""
    its = clips.c.site == told.site, clips.c.device == told.device, clips.c.state.in_(OPEN)
    clip = connection.execute(select(clips).where(*its).order_by(clips.c.number).limit(1)).first()
    return [wanted(clip)] if clip else []
