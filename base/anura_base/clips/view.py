"""A clip, as pages and programs see it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, select

from anura_base.clips.spectrogram import HEIGHT, WIDTH, top_hz
from anura_base.clips.tables import ClipState, clips
from anura_base.db.schema import events


@dataclass(frozen=True, slots=True)
class ClipView:
    """What became of the audio of a call."""

    event: UUID
    state: Literal["asked", "coming", "here", "gone", "off", "refused", "expired"]
    detail: str
    """Why it is not here, where that is known."""
    asked_by: str
    """Empty where the device offered it."""
    changed_utc: datetime
    size: int | None
    """Of the FLAC file, in bytes."""
    came: int
    """So many of them are here."""
    sha256: str | None
    onset_s: float | None
    """Where in the clip the call begins, and below ends; null until all of it is here."""
    offset_s: float | None
    duration_s: float | None
    rate_hz: int | None
    """Of the file."""

    @property
    def percent(self) -> int:
        """How much of it is here."""
        return 100 * self.came // self.size if self.size else 0


@dataclass(frozen=True, slots=True)
class Picture:
    """Where things are in a spectrogram, in its points."""

    width: int
    height: int
    box_x: float
    box_width: float
    top_khz: float
    seconds: list[tuple[int, float]]
    """Where the axis says which second."""


def view(clip: Row[Any], event: Row[Any]) -> ClipView:
    """Describe a clip of a call."""
    onset_s = offset_s = duration_s = None
    if clip.state == ClipState.HERE:
        duration_s = clip.samples / clip.rate_hz
        # By the recording's rate, as the device placed it; a device may have placed it anywhere.
        onset_s, offset_s = (
            min(max((sample - clip.first_sample) / event.rate_hz, 0.0), duration_s)
            for sample in (event.onset_sample, event.offset_sample)
        )
    return ClipView(
        event=clip.event_id,
        state=clip.state,
        detail=clip.detail,
        asked_by=clip.asked_by,
        changed_utc=clip.changed_utc,
        size=clip.size,
        came=clip.came,
        sha256=clip.sha256,
        onset_s=onset_s,
        offset_s=offset_s,
        duration_s=duration_s,
        rate_hz=clip.rate_hz,
    )


def views(connection: Connection, of: Collection[Row[Any]]) -> dict[UUID, ClipView]:
    """Return the clips of some calls, as far as there are any."""
    query = select(clips).where(clips.c.event_id.in_([event.id for event in of]))
    found = {clip.event_id: clip for clip in connection.execute(query)}
    return {event.id: view(found[event.id], event) for event in of if event.id in found}


def latest(connection: Connection, count: int) -> list[tuple[Row[Any], ClipView]]:
    """Return the calls whose clips came last, with these."""
    query = select(events).join(clips, clips.c.event_id == events.c.id).where(clips.c.state == ClipState.HERE)
    calls = connection.execute(query.order_by(clips.c.changed_utc.desc(), clips.c.number.desc()).limit(count)).all()
    seen = views(connection, calls)
    return [(call, seen[call.id]) for call in calls]


def picture(clip: ClipView) -> Picture | None:
    """Return where the call is in its spectrogram; None while there is none."""
    if clip.duration_s is None or clip.onset_s is None or clip.offset_s is None or clip.rate_hz is None:
        return None
    scale = WIDTH / clip.duration_s
    step = next(step for step in (1, 2, 5, 10, 20) if clip.duration_s / step <= 10 or step == 20)
    return Picture(
        width=WIDTH,
        height=HEIGHT,
        box_x=clip.onset_s * scale,
        box_width=max(2.0, (clip.offset_s - clip.onset_s) * scale),
        top_khz=top_hz(clip.rate_hz) / 1_000,
        # One so near the end that its text would be cut off is left out.
        seconds=[(second, second * scale) for second in range(0, int(clip.duration_s - step / 2) + 1, step)],
    )
