"""Store the saved clips that come on a disk with a journal: by the code for clips that come over a broker."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection, Engine, select

from anura_base.clips.local_clips import clip_offer, clip_part
from anura_base.clips.tables import ClipState
from anura_base.clips.transfer import find
from anura_base.config.settings import ClipSettings
from anura_base.db.engine import write_transaction
from anura_base.db.schema import events
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.clips.finder import ClipFinder, FoundClip
from anura_edge.errors import UnreadableError
from anura_edge.wire import ClipPart, ClipWanted, parse_command, parse_topic, topic


def import_clips(engine: Engine, finder: ClipFinder, limits: ClipSettings) -> int:
    """Store the saved clips of events that count. Return the number of new ones.

    A clip beyond the limits is refused, and its page says why, as if it had come over a broker.
    """
    return sum(_import_clip(engine, finder, event, limits) for event in finder.saved_events())


def _import_clip(engine: Engine, finder: ClipFinder, event: UUID, limits: ClipSettings) -> bool:
    with write_transaction(engine) as connection:
        owner = connection.execute(select(events.c.site, events.c.device).where(events.c.id == event)).first()
        if owner is None or _is_stored(connection, event):
            return False
        try:
            clip = finder.find(event)
        except UnreadableError:  # the device has just deleted it
            return False
        message: ClipPart | None = clip_offer(clip)
        while message:
            message = _send(connection, topic(*owner, "clip"), message, clip, limits)
        return _is_stored(connection, event)


def _send(
    connection: Connection, name: str, message: ClipPart, clip: FoundClip, limits: ClipSettings
) -> ClipPart | None:
    """Store a part. Return the part that is requested next, None at the end."""
    raw = RawMessage(name, message.to_bytes(), True, datetime.now(UTC))
    for answered, payload in ingest(connection, [raw], limits):
        request = parse_command(payload) if parse_topic(answered)[2] == "cmd" else None
        if isinstance(request, ClipWanted) and request.event == clip.event:
            return clip_part(clip, request)
    return None


def _is_stored(connection: Connection, event: UUID) -> bool:
    clip = find(connection, event)
    return clip is not None and clip.state == ClipState.HERE
