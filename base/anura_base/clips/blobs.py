"""The files of clips, stored in parts. In this module a clip is a row of the table `clips`."""

import hashlib
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, func, insert, select, update

from anura_base.clips.tables import OPEN, ClipState, clip_parts, clips
from anura_base.db.engine import key_matches
from anura_base.db.schema import events, superseded_rows


def file_key(clip: Row[Any]) -> dict[str, str]:
    """Return the key of a clip's file."""
    return {"site": clip.site, "device": clip.device, "sha256": clip.sha256}


def read_file(connection: Connection, clip: Row[Any]) -> bytes:
    """Return the bytes of a file that have been received."""
    query = select(clip_parts.c.data).where(*key_matches(clip_parts, file_key(clip))).order_by(clip_parts.c.first_byte)
    return b"".join(connection.scalars(query))


def append(connection: Connection, clip: Row[Any], data: bytes) -> None:
    """Append a part to a file, and update every unfinished clip of this file."""
    connection.execute(insert(clip_parts).values(**file_key(clip), first_byte=clip.came, data=data))
    change = update(clips).where(*key_matches(clips, file_key(clip)), clips.c.state.in_(OPEN))
    connection.execute(change.values(came=clip.came + len(data), state=ClipState.COMING))


def received_bytes(connection: Connection, site: str, device: str, sha256: str) -> int:
    """Return how many bytes of a file are stored."""
    of_file = key_matches(clip_parts, {"site": site, "device": device, "sha256": sha256})
    # In PostgreSQL the sum of integers is a decimal.
    return int(connection.scalar(select(func.sum(func.length(clip_parts.c.data))).where(*of_file)) or 0)


def hash_matches(flac: bytes, sha256: str) -> bool:
    """Return whether a complete file has the announced hash."""
    return hashlib.sha256(flac).hexdigest() == sha256


def total_bytes(connection: Connection, *which: ColumnElement[bool]) -> int:
    """Return the total size of the files of the selected clips when complete. Each file counts once."""
    per_file = select(clips.c.site, clips.c.device, clips.c.sha256, func.max(clips.c.size).label("size"))
    per_file = per_file.where(clips.c.sha256.is_not(None), clips.c.state.in_([*OPEN, ClipState.HERE]), *which)
    files = per_file.group_by(clips.c.site, clips.c.device, clips.c.sha256).subquery()
    return int(connection.scalar(select(func.sum(files.c.size))) or 0)


def delete_orphans(connection: Connection) -> None:
    """Delete the clips without an event, and the files without a clip.

    An event of an analysis that does not count keeps its clip, because the analysis may count again.
    """
    counts = exists().where(events.c.id == clips.c.event_id)
    is_kept = exists().where(superseded_rows.c.kind == "event", superseded_rows.c.id == clips.c.event_id)
    connection.execute(delete(clips).where(~counts, ~is_kept))
    connection.execute(delete(clip_parts).where(_unused()))


def delete_if_unused(connection: Connection, clip: Row[Any]) -> None:
    """Delete the file of a clip, unless another clip uses it."""
    connection.execute(delete(clip_parts).where(*key_matches(clip_parts, file_key(clip)), _unused()))


def _unused() -> ColumnElement[bool]:
    used = [clips.c[name] == clip_parts.c[name] for name in ("site", "device", "sha256")]
    return ~exists().where(*used, clips.c.state.in_([*OPEN, ClipState.HERE]))
