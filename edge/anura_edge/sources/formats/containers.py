"""Tells whether a file that can contain sound and pictures contains sound alone: MP4, QuickTime and Matroska.

Formats: ISO/IEC 14496-12, Apple's "QuickTime File Format", RFC 9559.
"""

import re
from typing import BinaryIO

_MAX_BOXES = 64
_MAX_MOVIE_BYTES = 1 << 20
"""The description of the tracks: a few kilobytes, and tables of positions behind them."""

_HANDLER = re.compile(rb"hdlr.{8}(soun|vide)", re.DOTALL)
_CODEC = re.compile(rb"\x86[\x81-\xff](?:[AV]_)[A-Z]")
"""A codec's name in Matroska, behind the number of its element and its length."""


def has_sound_alone(file: BinaryIO) -> bool:
    """Return whether a file has a track with sound and none with pictures."""
    file.seek(0)
    start = file.read(4096)
    if start[:4] == b"\x1a\x45\xdf\xa3":
        kinds = {match[0][2:4] for match in _CODEC.finditer(start)}
        return kinds == {b"A_"}
    return start[4:8] == b"ftyp" and {match[1] for match in _HANDLER.finditer(_read_movie(file))} == {b"soun"}


def _read_movie(file: BinaryIO) -> bytes:
    """Return the start of the box `moov`, which may be behind the sound."""
    offset = 0
    for _ in range(_MAX_BOXES):
        file.seek(offset)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        size = int.from_bytes(head[8:], "big") if size == 1 else size
        if head[4:8] == b"moov":
            return head + file.read(_MAX_MOVIE_BYTES)
        if size < 8 or len(head) < 8 or offset + size >= 2**63:
            break
        offset += size
    return b""
