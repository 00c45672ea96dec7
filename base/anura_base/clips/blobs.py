"""The files of clips, in the pieces in which they came. A clip is a row of `clips`; see there."""

import hashlib
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, func, insert, select, update

from anura_base.clips.tables import OPEN, ClipState, clip_parts, clips
from anura_base.db.engine import key_matches
from anura_base.db.schema import events


def key(clip: Row[Any]) -> dict[str, str]:
    """Return what a clip's file is known by."""
    return {"site": clip.site, "device": clip.device, "sha256": clip.sha256}


def read(connection: Connection, clip: Row[Any]) -> bytes:
    """Return a file, or what there is of it."""
    query = select(clip_parts.c.data).where(*key_matches(clip_parts, key(clip))).order_by(clip_parts.c.first_byte)
    return b"".join(connection.scalars(query))


def add(connection: Connection, clip: Row[Any], data: bytes) -> None:
    """Add a piece after what there is, for every clip that is in the file."""
    connection.execute(insert(clip_parts).values(**key(clip), first_byte=clip.came, data=data))
    change = update(clips).where(*key_matches(clips, key(clip)), clips.c.state.in_(OPEN))
    connection.execute(change.values(came=clip.came + len(data), state=ClipState.COMING))


def came(connection: Connection, site: str, device: str, sha256: str) -> int:
    """Return how many bytes of a file there are."""
    of_file = key_matches(clip_parts, {"site": site, "device": device, "sha256": sha256})
    # PostgreSQL adds integers up as decimals.
    return int(connection.scalar(select(func.sum(func.length(clip_parts.c.data))).where(*of_file)) or 0)


def is_whole(flac: bytes, sha256: str) -> bool:
    """Say whether a file that is complete is what it was said to be."""
    return hashlib.sha256(flac).hexdigest() == sha256


def sizes(connection: Connection, *which: ColumnElement[bool]) -> int:
    """Return how many bytes the files of some clips have, or will have, each counted once."""
    one_each = select(clips.c.site, clips.c.device, clips.c.sha256, func.max(clips.c.size).label("size"))
    one_each = one_each.where(clips.c.sha256.is_not(None), clips.c.state.in_([*OPEN, ClipState.HERE]), *which)
    files = one_each.group_by(clips.c.site, clips.c.device, clips.c.sha256).subquery()
    return int(connection.scalar(select(func.sum(files.c.size))) or 0)


def sweep(connection: Connection) -> None:
    """Remove the clips of calls that are gone, and the files that no clip needs."""
    connection.execute(delete(clips).where(~exists().where(events.c.id == clips.c.event_id)))
    connection.execute(delete(clip_parts).where(_unneeded()))


def release(connection: Connection, clip: Row[Any]) -> None:
    """Remove the file that a clip was in, unless another needs it."""
    connection.execute(delete(clip_parts).where(*key_matches(clip_parts, key(clip)), _unneeded()))


def _unneeded() -> ColumnElement[bool]:
    needed = [clips.c[name] == clip_parts.c[name] for name in ("site", "device", "sha256")]
    return ~exists().where(*needed, clips.c.state.in_([*OPEN, ClipState.HERE]))
