"""Label tracks for Audacity: one file for each recording, with three columns. The label includes the score."""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import PurePosixPath

from sqlalchemy import Connection

from anura_base.db.schema import events
from anura_base.exchange.rows import CHUNK_ROWS, ExportContext, FilePart, RowValues, read_rows
from anura_base.exchange.streaming_zip import StreamingZip

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)


def audacity(connection: Connection, _context: ExportContext) -> Iterator[FilePart]:
    """Yield a ZIP of label tracks in folders SITE/DEVICE. A track has the name of its recording."""
    archive, used_names, rows = StreamingZip(), set[str](), 0
    calls_in_order = read_rows(connection, events, "site", "device", "recording_name", "recording", "onset_sample")
    for recording, calls in groupby(calls_in_order, key=_recording):
        with archive.file(_track_name(recording, used_names)) as track:
            for call in calls:
                track.write(_line(call))
                rows += 1
        if rows >= CHUNK_ROWS:
            yield FilePart(archive.take(), rows)
            rows = 0
    yield FilePart(archive.close(), rows)


def safe_name(name: str) -> str:
    """Return a file name from a device without folders and without special characters."""
    return _UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).lstrip(".")[:150] or "recording"


def _recording(call: RowValues) -> tuple[str, str, str, str]:
    return call["site"], call["device"], call["recording_name"], call["recording"]


def _track_name(recording: tuple[str, str, str, str], used_names: set[str]) -> str:
    site, device, name, _ = recording
    stem = f"{site}/{device}/{PurePosixPath(safe_name(name)).stem}"
    name, number = stem, 1
    while name.lower() in used_names:
        number += 1
        name = f"{stem}-{number}"
    used_names.add(name.lower())
    return f"{name}.txt"


def _line(call: RowValues) -> str:
    begin, end = call["onset_sample"] / call["rate_hz"], call["offset_sample"] / call["rate_hz"]
    label = "".join(character if character.isprintable() else " " for character in call["label"])
    return f"{begin:.6f}\t{end:.6f}\t{label} {call['p_peak']:.2f}\n"
