"""The clips of reviewed calls, with the labels of all calls that are in them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Row, select

from anura_base.analysis.reviews import reviewed_events
from anura_base.analysis.verdicts import JUDGED_EVENTS, reviews
from anura_base.clips.tables import ClipState, clips
from anura_base.db.schema import events
from anura_edge.events import Verdict

_QUERY_IDS = 500
"""Values in a query. Databases limit their number."""

T = TypeVar("T")

AcceptedCalls = Mapping[str, Sequence[Row[Any]]]
"""Recording -> its calls that people confirmed or relabelled, with their verdicts."""


@dataclass(frozen=True, slots=True)
class ClipLabel:
    """A call in a clip. Its span is cut at the ends of the clip."""

    call: Row[Any]
    onset_s: float
    offset_s: float


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """A stored clip with the calls in it. Without labels it is background."""

    clip: Row[Any]
    call: Row[Any]
    """The reviewed call of the clip; the first, if several calls have it."""
    events: tuple[UUID, ...]
    """The reviewed calls that have this file."""
    begin_s: float
    """Where it begins in its recording."""
    labels: tuple[ClipLabel, ...]
    unreviewed: tuple[str, ...]
    """Codes of the species of those calls in it that have no review."""

    @property
    def file(self) -> str:
        """Path of the clip in its data set."""
        return f"audio/{self.call.id}.flac"


def code_of(call: Row[Any]) -> str:
    """Return the code of the species that a reviewed call counts as."""
    return str(call.new_label or call.label)


def recording_start(call: Row[Any], offset_s: float = 0.0) -> datetime:
    """Return the time of a position in the recording of a call, by default of its begin."""
    return call.start_utc + timedelta(seconds=offset_s - call.onset_sample / call.rate_hz)  # type: ignore[no-any-return]


def accepted_calls(connection: Connection, rows: Sequence[Row[Any]]) -> AcceptedCalls:
    """Return all confirmed or relabelled calls of the recordings of some calls."""
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for names in _batches(dict.fromkeys(row.recording for row in rows)):
        chosen = events.c.recording.in_(names), reviews.c.verdict != Verdict.REJECTED
        for call in reviewed_events(connection, *chosen):
            found[call.recording].append(call)
    return found


def labelled_clips(connection: Connection, rows: Sequence[Row[Any]], accepted: AcceptedCalls) -> Sequence[LabelledClip]:
    """Return the stored clips of reviewed calls, with labels. A clip about which too little is known is left out."""
    files: dict[tuple[str, str, str], list[tuple[Row[Any], Row[Any]]]] = defaultdict(list)
    for call, clip in _stored(connection, rows):
        files[clip.site, clip.device, clip.sha256].append((call, clip))
    found = ((members, _label(connection, members, accepted)) for members in files.values())
    return [clip for members, clip in found if clip.labels or _is_background(members, clip)]


def _stored(connection: Connection, rows: Sequence[Row[Any]]) -> Iterator[tuple[Row[Any], Row[Any]]]:
    """Yield the calls whose clip is stored, with the clip."""
    for calls in _batches(rows):
        query = select(clips).where(clips.c.state == ClipState.HERE, clips.c.event_id.in_([each.id for each in calls]))
        of_event = {clip.event_id: clip for clip in connection.execute(query)}
        yield from ((call, of_event[call.id]) for call in calls if call.id in of_event)


def _label(
    connection: Connection, members: Sequence[tuple[Row[Any], Row[Any]]], accepted: AcceptedCalls
) -> LabelledClip:
    (call, clip), ids = members[0], tuple(each.id for each, _ in members)
    first, last = _span(call, clip)
    labels = tuple(
        ClipLabel(
            each,
            onset_s=(max(each.onset_sample, first) - first) / call.rate_hz,
            offset_s=(min(each.offset_sample, last) - first) / call.rate_hz,
        )
        for each in accepted.get(call.recording, ())
        if _overlaps(each, first, last)
    )
    inside = events.c.recording == call.recording, events.c.onset_sample < last, events.c.offset_sample > first
    query = select(events.c.label).select_from(JUDGED_EVENTS).where(*inside, reviews.c.number.is_(None)).distinct()
    unreviewed = tuple(sorted(connection.scalars(query)))
    return LabelledClip(clip, call, ids, first / call.rate_hz, labels, unreviewed)


def _is_background(members: Sequence[tuple[Row[Any], Row[Any]]], clip: LabelledClip) -> bool:
    """Return whether people have rejected every call in a clip without labels. A device may send any position."""
    rejected = (call.verdict == Verdict.REJECTED and _overlaps(call, *_span(call, own)) for call, own in members)
    return not clip.unreviewed and all(rejected)


def _span(call: Row[Any], clip: Row[Any]) -> tuple[int, int]:
    """Return the first sample of a clip in its recording, and the first after it."""
    return clip.first_sample, clip.first_sample + round(clip.samples * call.rate_hz / clip.rate_hz)


def _overlaps(call: Row[Any], first: int, last: int) -> bool:
    return bool(call.onset_sample < last and call.offset_sample > first)


def _batches(items: Iterable[T]) -> Iterator[Sequence[T]]:
    rest = iter(items)
    while batch := list(islice(rest, _QUERY_IDS)):
        yield batch
