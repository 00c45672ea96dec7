"""Audacity's label tracks: one for each recording, of three columns, the probability inside the label."""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import PurePosixPath

from sqlalchemy import Connection

from anura_base.db.schema import events
from anura_base.exchange.rows import CHUNK_ROWS, Context, Piece, Record, records
from anura_base.exchange.streaming_zip import Zipped

_OTHER = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)


def audacity(connection: Connection, _context: Context) -> Iterator[Piece]:
    """Yield a ZIP of label tracks, named like their recordings, in folders of their site and device."""
    archive, taken, rows = Zipped(), set[str](), 0
    sorted_ = records(connection, events, "site", "device", "recording_name", "recording", "onset_sample")
    for recording, calls in groupby(sorted_, key=_recording):
        with archive.file(_name(recording, taken)) as track:
            for call in calls:
                track.write(_line(call))
                rows += 1
        if rows >= CHUNK_ROWS:
            yield Piece(archive.take(), rows)
            rows = 0
    yield Piece(archive.close(), rows)


def safe_name(name: str) -> str:
    """Return a device's name of a file without folders, and with nothing that a file system could take amiss."""
    return _OTHER.sub("_", name.replace("\\", "/").rpartition("/")[2]).lstrip(".")[:150] or "recording"


def _recording(call: Record) -> tuple[str, str, str, str]:
    return call["site"], call["device"], call["recording_name"], call["recording"]


def _name(recording: tuple[str, str, str, str], taken: set[str]) -> str:
    site, device, name, _ = recording
    stem = f"{site}/{device}/{PurePosixPath(safe_name(name)).stem}"
    name, number = stem, 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.lower())
    return f"{name}.txt"


def _line(call: Record) -> str:
    begin, end = call["onset_sample"] / call["rate_hz"], call["offset_sample"] / call["rate_hz"]
    label = "".join(character if character.isprintable() else " " for character in call["label"])
    return f"{begin:.6f}\t{end:.6f}\t{label} {call['p_peak']:.2f}\n"
