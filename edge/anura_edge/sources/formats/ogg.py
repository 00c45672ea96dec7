"""Finds the audio in an Ogg file: the pages behind the codec's headers. Format: RFC 3533."""

import re
from typing import BinaryIO

from anura_edge.sources.formats.extent import AudioExtent, LengthStatus
from anura_edge.sources.formats.layout import AudioLayout, SampleType

MAX_HEADER_PAGES = 10_000
"""Cover art in the comments fills some hundreds."""

PAGE_HEAD_BYTES = 27
_MAX_PAGE_BYTES = PAGE_HEAD_BYTES + 255 + 255 * 255
_NUMBERED = re.compile(rb"(OggS.{14}).{8}", re.DOTALL)
"""Number and checksum of a page: they change if the headers before it become longer."""


def parse_ogg(file: BinaryIO, file_bytes: int) -> AudioLayout | None:
    """Find a file's first page of audio: the first one that has a position. Return None if it is not an Ogg file.

    Rate, channels and samples are 0: the decoder tells them.
    """
    offset = 0
    for number in range(MAX_HEADER_PAGES):
        file.seek(offset)
        head = file.read(PAGE_HEAD_BYTES)
        if len(head) < PAGE_HEAD_BYTES or head[:4] != b"OggS":
            if number == 0:
                return None
            break
        if 0 < int.from_bytes(head[6:14], "little") < 2**63:
            break
        offset += PAGE_HEAD_BYTES + head[26] + sum(file.read(head[26]))
    extent = AudioExtent(min(offset, file_bytes), file_bytes, file_bytes, LengthStatus.WHOLE)
    has_further_audio = _last_stream(file, file_bytes) not in (None, _stream(head))
    return AudioLayout(SampleType("ogg", 8), 0, 0, 1, extent, 0, 0, has_further_audio=has_further_audio)


def _stream(page: bytes) -> bytes:
    """Return the number of the stream that a page belongs to."""
    return page[14:18]


def _last_stream(file: BinaryIO, file_bytes: int) -> bytes | None:
    """Return the number of the stream of the last page, or None if there is no page near the end."""
    file.seek(max(0, file_bytes - _MAX_PAGE_BYTES))
    tail = file.read(_MAX_PAGE_BYTES)
    at = tail.rfind(b"OggS\0")
    return _stream(tail[at:]) if at >= 0 and len(tail) >= at + PAGE_HEAD_BYTES else None


def without_page_numbers(content: bytes) -> bytes:
    """Return a piece of an Ogg file with zeros for the numbers and checksums of its pages."""
    return _NUMBERED.sub(rb"\1" + bytes(8), content)
