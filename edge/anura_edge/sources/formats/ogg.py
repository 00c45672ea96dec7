"""Finds the audio in an Ogg file: the pages behind the codec's headers, up to a missing page. Format: RFC 3533.

A decoder passes over missing and damaged pages, so that the audio behind them would seem to be earlier than it was.
"""

import re
import zlib
from typing import BinaryIO

from anura_edge.sources.formats.extent import AudioExtent, LengthStatus
from anura_edge.sources.formats.layout import AudioLayout, SampleType

MAX_HEADER_PAGES = 10_000
"""Cover art in the comments fills some hundreds."""

PAGE_HEAD_BYTES = 27
_IS_FIRST = 2
"""Flag of the first page of a stream."""
_MAX_PAGE_BYTES = PAGE_HEAD_BYTES + 255 + 255 * 255
_NUMBERED = re.compile(rb"(OggS.{14}).{8}", re.DOTALL)
"""Number and checksum of a page: they change if the headers before it become longer."""
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


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
    gap_at, has_further_audio = _read_pages(file, offset, file_bytes)
    return AudioLayout(SampleType("ogg", 8), 0, 0, 1, extent, 0, 0, has_further_audio=has_further_audio, gap_at=gap_at)


def _read_pages(file: BinaryIO, offset: int, file_bytes: int) -> tuple[int | None, bool]:
    """Return where a page is missing or damaged before others, or None, and whether a second stream follows."""
    stream = number = None
    while offset < file_bytes:
        file.seek(offset)
        head = file.read(PAGE_HEAD_BYTES)
        lengths = file.read(head[26]) if len(head) == PAGE_HEAD_BYTES else b""
        page = head + lengths + file.read(sum(lengths))
        stream = stream or head[14:18]
        is_ours = head[14:18] == stream
        if head[:4] == b"OggS" and number is not None and head[5] & _IS_FIRST and _is_intact(page):
            return None, True
        if head[:4] != b"OggS" or not _is_intact(page) or (is_ours and number not in (None, _page_number(head))):
            return (offset if offset < _last_page(file, file_bytes) else None), False
        number = _page_number(head) + 1 & 0xFFFFFFFF if is_ours else number
        offset += len(page)
    return None, False


def _page_number(head: bytes) -> int:
    return int.from_bytes(head[18:22], "little")


def _is_intact(page: bytes) -> bool:
    """Return whether the checksum of a page is right: a CRC-32 without inversion, most significant bit first."""
    content = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED_BITS)
    checksum = zlib.crc32(content, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return checksum.to_bytes(4, "little").translate(_REVERSED_BITS)[::-1] == page[22:26]


def _last_page(file: BinaryIO, file_bytes: int) -> int:
    """Return the byte at which the last page begins, 0 if there is none near the end."""
    start = max(0, file_bytes - _MAX_PAGE_BYTES)
    file.seek(start)
    return max(0, start + file.read(_MAX_PAGE_BYTES).rfind(b"OggS\0"))


def without_page_numbers(content: bytes) -> bytes:
    """Return a piece of an Ogg file with zeros for the numbers and checksums of its pages."""
    return _NUMBERED.sub(rb"\1" + bytes(8), content)
