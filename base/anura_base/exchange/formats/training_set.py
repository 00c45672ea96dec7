"""Reviewed calls as a training set: a ZIP of two data sets that `anura-train data read folder` reads.

`clips` has the audio that the base station has, with its labels. `recordings` has the labels of the calls without such
audio, by the names of their recordings.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from anura_base.analysis.reviews import reviewed_events
from anura_base.clips.blobs import read_file
from anura_base.exchange.call_filter import conditions
from anura_base.exchange.formats.training_clips import (
    AcceptedCalls,
    LabelledClip,
    accepted_calls,
    code_of,
    labelled_clips,
    recording_start,
)
from anura_base.exchange.rows import ExportContext
from anura_edge.audio import ClockSource
from anura_edge.events import Verdict
from anura_edge.results.formats.parts import FilePart
from anura_edge.results.spreadsheet import Cell, csv_text
from anura_edge.results.streaming_zip import StreamingZip

README = """Calls that people judged, for anura-train. There are two data sets:

    anura-train data read folder clips --out DATA
    anura-train data read folder recordings --out DATA

clips has its audio: the clips of reviewed calls, with all calls in them that people confirmed or relabelled. A clip is
without a label, which means background, if people rejected every call in it. The column `unreviewed` of
clips/recordings.csv names the species of the calls in a clip that have no review: training takes them as absent,
so review these calls, or delete such rows. A clip with rejected and unreviewed calls only is left out.

recordings has no audio: first copy the recordings that recordings.csv names into its folder. It has the recordings of
confirmed or relabelled calls that are in no clip here, with all such calls in them. A recording is left out if every
reviewed call in it was rejected: that does not show that no frog calls in the whole recording.

reviews.csv has all reviewed calls. A text that a spreadsheet program could run as a formula has a leading apostrophe.
"""

_RECORDINGS = ("file", "labels", "name", "group", "site", "night", "start")
_LABELS = ("name", "code", "onset_s", "offset_s")
_SPECIES = ("code", "scientific_name")
_REVIEWS = ("event_id", "label", "p_peak", "model_sha256", "verdict", "new_label", "reviewer", "reviewed_utc", "clip")


def training_set(connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    """Yield the ZIP of the reviewed calls that the context selects."""
    rows = reviewed_events(connection, *conditions(context.calls, context.sites))
    accepted = accepted_calls(connection, rows)
    clips = labelled_clips(connection, rows, accepted)
    archive = StreamingZip()
    _write(archive, "README.txt", README)
    _write(archive, "reviews.csv", csv_text(_REVIEWS, _reviews(rows, clips)))
    yield FilePart(archive.take(), len(rows))
    _write(archive, "clips/recordings.csv", csv_text((*_RECORDINGS, "unreviewed"), _clip_rows(clips, context)))
    _write(archive, "clips/labels.csv", csv_text(_LABELS, _clip_labels(clips)))
    _write(archive, "clips/species.csv", csv_text(_SPECIES, _species(accepted)))
    for clip in clips:
        archive.add(f"clips/{clip.file}", read_file(connection, clip.clip))
        yield FilePart(archive.take(), 0)
    missing = _without_clip(rows, accepted, clips)
    _write(archive, "recordings/recordings.csv", csv_text(_RECORDINGS, _recordings(missing, context)))
    _write(archive, "recordings/labels.csv", csv_text(_LABELS, map(_label_row, missing)))
    _write(archive, "recordings/species.csv", csv_text(_SPECIES, _species(accepted)))
    yield FilePart(archive.close(), 0)


def _write(archive: StreamingZip, name: str, text: str) -> None:
    with archive.file(name) as file:
        file.write(text)


def _without_clip(rows: Sequence[Row[Any]], accepted: AcceptedCalls, clips: Sequence[LabelledClip]) -> list[Row[Any]]:
    """Return all accepted calls of the recordings that have one which is in no clip."""
    covered = {each.call.id for clip in clips for each in clip.labels}
    wanted = {row.recording for row in rows if row.verdict != Verdict.REJECTED and row.id not in covered}
    return [call for recording, calls in accepted.items() if recording in wanted for call in calls]


def _recordings(calls: Sequence[Row[Any]], context: ExportContext) -> Iterator[Sequence[Cell]]:
    groups: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for call in calls:
        groups[call.recording_name, call.recording].append(call)
    for (file, recording), members in groups.items():
        codes = {code_of(call) for call in members}
        yield _recording_row(file, recording, codes, members[0], 0.0, context)


def _clip_rows(clips: Sequence[LabelledClip], context: ExportContext) -> Iterator[Sequence[Cell]]:
    for clip in clips:
        codes = {code_of(label.call) for label in clip.labels}
        row = _recording_row(clip.file, clip.file, codes, clip.call, clip.begin_s, context)
        yield (*row, " ".join(clip.unreviewed))


def _recording_row(
    file: str, name: str, codes: Iterable[str], call: Row[Any], begin_s: float, context: ExportContext
) -> Sequence[Cell]:
    """Return the row of a recording, or of a clip from it. `begin_s` is where its audio begins in the recording."""
    place, start = context.site(call.site), recording_start(call, begin_s)
    night = context.night({"site": call.site, "start_utc": recording_start(call)})
    local = start.astimezone(ZoneInfo(place.zone)).isoformat(timespec="seconds")
    times = (str(night), local) if call.clock_source != ClockSource.UNKNOWN else ("", "")
    return file, " ".join(sorted(codes)), name, f"{call.site}-{night}", call.site, *times


def _label_row(call: Row[Any]) -> Sequence[Cell]:
    onset, offset = (f"{sample / call.rate_hz:.3f}" for sample in (call.onset_sample, call.offset_sample))
    return call.recording, code_of(call), onset, offset


def _clip_labels(clips: Sequence[LabelledClip]) -> Iterator[Sequence[Cell]]:
    for clip in clips:
        for label in clip.labels:
            yield clip.file, code_of(label.call), f"{label.onset_s:.3f}", f"{label.offset_s:.3f}"


def _species(accepted: AcceptedCalls) -> Iterable[Sequence[Cell]]:
    calls = [call for each in accepted.values() for call in each]
    names = {call.label: call.scientific_name for call in calls} | {call.new_label: call.new_name for call in calls}
    return [(code, names.get(code, "")) for code in sorted({code_of(call) for call in calls})]


def _reviews(rows: Sequence[Row[Any]], clips: Sequence[LabelledClip]) -> Iterator[Sequence[Cell]]:
    files = {event: f"clips/{clip.file}" for clip in clips for event in clip.events}
    for row in rows:
        reviewed_utc, p = row.reviewed_utc.isoformat(timespec="seconds"), f"{row.p_peak:.4f}"
        verdict = row.verdict, row.new_label, row.reviewer, reviewed_utc
        yield str(row.id), row.label, p, row.model_sha256, *verdict, files.get(row.id, "")
