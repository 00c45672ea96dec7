"""AOEF 1.1.0, the exchange format of Whombat and of the library soundevent: the results as a run of a model.

Each recording is a clip of its whole length. A recording without calls has a prediction without sound events. A call
is a prediction of a sound event with the times of its bout and its score; its tags are the species, the label, and
the verdict and the name of a person. Paths are relative to the folder of the recordings.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from anura_edge.events import NAMESPACE
from anura_edge.results.formats.parts import CHUNK_ROWS, FilePart, FormatContext, RowValues
from anura_edge.results.formats.row_texts import counted_label, counted_name, taxon_name
from anura_edge.results.formats.source import ResultSource

VERSION = "1.1.0"

SPECIES, LABEL, VERDICT, REVIEWER = "dwc:scientificName", "label", "verdict", "reviewer"
"""Keys of tags."""


def aoef(source: ResultSource, context: FormatContext) -> Iterator[FilePart]:
    """Yield a JSON file. The recordings and the calls are read once for each of its lists."""
    tags, created = _Tags(source.calls()), context.written_utc.isoformat()
    models = sorted(tags.models)
    names, versions = [name for name, _ in models], [version for _, version in models]
    head = {
        "uuid": str(uuid5(NAMESPACE, f"aoef/{created}/{models}")),
        "created_on": created,
        "collection_type": "model_run",
        "name": f"{context.program} {', '.join(names)}".strip(),
        "description": "Bouts of calls that a model detected, with its scores.",
        "model": {"name": ", ".join(names) or "unknown", "version": ", ".join(versions) or None},
        "tags": tags.objects,
    }
    lists = {
        "recordings": (_recording(each, context) for each in source.recordings()),
        "clips": map(_clip, source.recordings()),
        "sound_events": map(_sound_event, source.calls()),
        "sound_event_predictions": (_prediction(call, tags) for call in source.calls()),
        "clip_predictions": _clip_predictions(source, tags),
    }
    begin = json.dumps({"version": VERSION, "created_on": created})[:-1]
    yield FilePart(f'{begin}, "data": {json.dumps(head)[:-1]}'.encode(), 0)
    for name, objects in lists.items():
        yield from _list(name, objects, counts=name == "sound_events")
    yield FilePart(b"}}\n", 0)


class _Tags:
    """The tags of all calls. There are as many as species and labels, so they fit into memory."""

    def __init__(self, calls: Iterable[RowValues]) -> None:
        self._ids: dict[tuple[str, str], int] = {}
        self.models: set[tuple[str, str]] = set()
        for call in calls:
            self.models.add((call["model_id"], call["model_version"]))
            for tag in _tags_of(call):
                self._ids.setdefault(tag, len(self._ids))

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The tags as objects of the format."""
        return [{"id": number, "key": key, "value": value} for (key, value), number in self._ids.items()]

    def scored(self, call: RowValues) -> list[tuple[int, float]]:
        """Return the numbers of a call's tags, each with the score of the call."""
        return [(self._ids[tag], _score(call)) for tag in _tags_of(call)]


def _tags_of(call: RowValues) -> list[tuple[str, str]]:
    values = taxon_name(counted_name(call)), counted_label(call), call["verdict"], call["reviewer"]
    tags = zip((SPECIES, LABEL, VERDICT, REVIEWER), values, strict=True)
    return [(key, value) for key, value in tags if value]


def _score(call: RowValues) -> float:
    return min(1.0, max(0.0, float(call["p_peak"])))


def _list(name: str, objects: Iterable[dict[str, Any]], *, counts: bool) -> Iterator[FilePart]:
    """Yield a list of the file in parts. With `counts` its objects are the rows of the parts."""
    texts, is_first = [f', "{name}": ['], True
    rows = 0
    for each in objects:
        texts.append(("\n" if is_first else ",\n") + json.dumps(each))
        is_first, rows = False, rows + 1
        if rows == CHUNK_ROWS:
            yield FilePart("".join(texts).encode(), rows if counts else 0)
            texts, rows = [], 0
    yield FilePart("".join([*texts, "]"]).encode(), rows if counts else 0)


def _key(row: RowValues) -> tuple[str, str, str]:
    return row["site"], row["device"], row["recording"]


def _id(kind: str, row: RowValues) -> str:
    """Return the id of a recording's object, which is the same in each export."""
    return str(uuid5(NAMESPACE, f"aoef/{kind}/{'/'.join(_key(row))}"))


def _call_id(kind: str, call: RowValues) -> str:
    return str(uuid5(UUID(str(call["id"])), kind))


def _recording(recording: RowValues, context: FormatContext) -> dict[str, Any]:
    values: dict[str, Any] = {
        "uuid": _id("recording", recording),
        "path": recording["path"],
        "duration": recording["length_s"],
        "channels": recording["channels"],
        "samplerate": recording["rate_hz"],
        "owners": [],
    }
    zone = context.zone(recording)
    if not recording["unknown"] and zone:
        local = recording["start_utc"].astimezone(ZoneInfo(zone))
        values |= {"date": str(local.date()), "time": local.time().isoformat()}
    if context.has_position(recording["site"]):
        latitude_deg, longitude_deg = context.position_deg(recording["site"])
        values |= {"latitude": latitude_deg, "longitude": longitude_deg}
    return values


def _clip(recording: RowValues) -> dict[str, Any]:
    return {
        "uuid": _id("clip", recording),
        "recording": _id("recording", recording),
        "start_time": 0.0,
        "end_time": recording["length_s"],
    }


def _sound_event(call: RowValues) -> dict[str, Any]:
    times = [call[name] / call["rate_hz"] for name in ("onset_sample", "offset_sample")]
    return {
        "uuid": _call_id("sound_event", call),
        "recording": _id("recording", call),
        "geometry": {"type": "TimeInterval", "coordinates": times},
    }


def _prediction(call: RowValues, tags: _Tags) -> dict[str, Any]:
    return {
        "uuid": _call_id("prediction", call),
        "sound_event": _call_id("sound_event", call),
        "score": _score(call),
        "tags": tags.scored(call),
    }


def _clip_predictions(source: ResultSource, tags: _Tags) -> Iterator[dict[str, Any]]:
    """Yield a prediction for each recording, also without calls. Both are read in the order of the recordings."""
    groups = groupby(source.calls(), key=_key)
    key, calls = next(groups, (None, iter(())))
    for recording in source.recordings():
        found: list[RowValues] = []
        if _key(recording) == key:
            found = [*calls]
            key, calls = next(groups, (None, iter(())))
        yield {
            "uuid": _id("prediction", recording),
            "clip": _id("clip", recording),
            "sound_events": [_call_id("prediction", call) for call in found],
            "tags": _best_tags(found, tags),
        }


def _best_tags(calls: Iterable[RowValues], tags: _Tags) -> list[tuple[int, float]]:
    """Return the tags of a recording, each with its highest score."""
    best: dict[int, float] = {}
    for call in calls:
        for number, score in tags.scored(call):
            best[number] = max(best.get(number, 0.0), score)
    return sorted(best.items())
