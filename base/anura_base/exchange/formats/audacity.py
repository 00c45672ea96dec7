"""Label tracks for Audacity: one file for each recording, with three columns. The label includes score and verdict."""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import PurePosixPath

from sqlalchemy import Connection

from anura_base.db.schema import events
from anura_base.exchange.row_texts import counted_label, recording_path
from anura_base.exchange.rows import CHUNK_ROWS, ExportContext, FilePart, RowValues, read_rows
from anura_base.exchange.streaming_zip import StreamingZip

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+|\.{2,}", re.ASCII)
_MAX_PART = 150
"""Characters of one part of a path. File systems allow 255 bytes."""


def audacity(connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    """Yield a ZIP of label tracks. A track has the path of its recording: SITE/DEVICE/FOLDER/NAME.txt."""
    archive, used_names, rows = StreamingZip(), set[str](), 0
    order = "site", "device", "recording_name", "recording", "onset_sample"
    for recording, calls in groupby(read_rows(connection, events, context, *order), key=_recording):
        with archive.file(_track_name(recording, used_names)) as track:
            for call in calls:
                track.write(_line(call))
                rows += 1
        if rows >= CHUNK_ROWS:
            yield FilePart(archive.take(), rows)
            rows = 0
    yield FilePart(archive.close(), rows)


def safe_path(site: str, device: str, name: str) -> str:
    """Return the path of a recording, without special characters and without dots at the begin of a name."""
    parts = (
        _UNSAFE.sub("_", part).lstrip(".")[:_MAX_PART] or "_" for part in recording_path(site, device, name).split("/")
    )
    path = "/".join(parts)
    return path if path.count("/") > 1 else f"{path}/recording"


def _recording(call: RowValues) -> tuple[str, str, str, str]:
    return call["site"], call["device"], call["recording_name"], call["recording"]


def _track_name(recording: tuple[str, str, str, str], used_names: set[str]) -> str:
    stem = str(PurePosixPath(safe_path(*recording[:3])).with_suffix(""))
    name, number = stem, 1
    while name.lower() in used_names:
        number += 1
        name = f"{stem}-{number}"
    used_names.add(name.lower())
    return f"{name}.txt"


def _line(call: RowValues) -> str:
    begin, end = call["onset_sample"] / call["rate_hz"], call["offset_sample"] / call["rate_hz"]
    label = f"{counted_label(call)} {call['p_peak']:.2f}"
    if call["verdict"]:
        label += f" {call['verdict']} by {call['reviewer']} {call['reviewed_utc']:%Y-%m-%d}"
    printable = "".join(character if character.isprintable() else " " for character in label)
    return f"{begin:.6f}\t{end:.6f}\t{printable}\n"
