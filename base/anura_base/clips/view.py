"""Clips for pages and for the JSON API."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, select

from anura_base.clips.tables import ClipState, clips
from anura_base.db.schema import events
from anura_edge.results.spectrogram_png import HEIGHT, WIDTH, top_hz


@dataclass(frozen=True, slots=True)
class ClipView:
    """The clip of an event and the state of its transfer, for pages and the API."""

    event: UUID
    state: Literal["asked", "coming", "here", "gone", "off", "refused", "expired"]
    detail: str
    """The reason why it is not stored, if known."""
    asked_by: str
    """The user who requested it. Empty if the device offered it."""
    changed_utc: datetime
    size: int | None
    """Size of the FLAC file in bytes."""
    came: int
    """Bytes received so far."""
    sha256: str | None
    onset_s: float | None
    """Onset and offset of the call in the clip. Null until the whole file is stored."""
    offset_s: float | None
    duration_s: float | None
    rate_hz: int | None
    """Sampling rate of the file."""

    @property
    def percent(self) -> int:
        """Received share of the file."""
        return 100 * self.came // self.size if self.size else 0


@dataclass(frozen=True, slots=True)
class SpectrogramLayout:
    """Positions in a spectrogram, in pixels."""

    width: int
    height: int
    box_x: float
    box_width: float
    top_khz: float
    seconds: list[tuple[int, float]]
    """Labels of the time axis: second and position."""
    frequencies: list[tuple[float, float]]
    """Labels of the frequency axis: kHz and position from the top, the lowest first."""


def clip_view(clip: Row[Any], event: Row[Any]) -> ClipView:
    """Return the view of a clip from the rows of the clip and its event."""
    onset_s = offset_s = duration_s = None
    if clip.state == ClipState.HERE:
        duration_s = clip.samples / clip.rate_hz
        # Positions are in samples of the recording. They are limited to the clip, because a device may send any number.
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


def clip_views(connection: Connection, events_: Collection[Row[Any]]) -> dict[UUID, ClipView]:
    """Return the clips of some events, by event id. Events without a clip are left out."""
    query = select(clips).where(clips.c.event_id.in_([event.id for event in events_]))
    found = {clip.event_id: clip for clip in connection.execute(query)}
    return {event.id: clip_view(found[event.id], event) for event in events_ if event.id in found}


def latest_clips(connection: Connection, count: int) -> list[tuple[Row[Any], ClipView]]:
    """Return the events whose clips were stored last, with their clips."""
    query = select(events).join(clips, clips.c.event_id == events.c.id).where(clips.c.state == ClipState.HERE)
    calls = connection.execute(query.order_by(clips.c.changed_utc.desc(), clips.c.number.desc()).limit(count)).all()
    seen = clip_views(connection, calls)
    return [(call, seen[call.id]) for call in calls]


def spectrogram_layout(clip: ClipView) -> SpectrogramLayout | None:
    """Return the layout of a clip's spectrogram, or None if the clip is not stored."""
    if clip.duration_s is None or clip.onset_s is None or clip.offset_s is None or clip.rate_hz is None:
        return None
    scale = WIDTH / clip.duration_s
    step = next(step for step in (1, 2, 5, 10, 20) if clip.duration_s / step <= 10 or step == 20)
    top_khz = top_hz(clip.rate_hz) / 1_000
    step_khz = next(step for step in (0.5, 1, 2, 4) if top_khz / step <= 6 or step == 4)
    marks = [step_khz * number for number in range(int(top_khz / step_khz) + 1)]
    return SpectrogramLayout(
        width=WIDTH,
        height=HEIGHT,
        box_x=clip.onset_s * scale,
        box_width=max(2.0, (clip.offset_s - clip.onset_s) * scale),
        top_khz=top_khz,
        # A label close to the right edge would be cut off, so it is left out.
        seconds=[(second, second * scale) for second in range(0, int(clip.duration_s - step / 2) + 1, step)],
        frequencies=[(khz, HEIGHT * (1 - khz / top_khz)) for khz in marks],
    )
