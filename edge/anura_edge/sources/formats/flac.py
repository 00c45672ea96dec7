"""Finds the audio in a FLAC file, and its true length: the last frame tells its position. Format: RFC 9639.

The length in the header is written when a recording ends. An interrupted one has 0 there or what was planned.
"""

import re
from dataclasses import dataclass
from typing import BinaryIO

from anura_edge.errors import UnreadableError
from anura_edge.sources.formats.extent import AudioExtent, LengthStatus
from anura_edge.sources.formats.layout import AudioLayout, SampleType
from anura_edge.sources.formats.tags import id3_bytes, tag_bytes

_MAX_BLOCKS = 1_000
"""Metadata blocks before the audio."""

_TAIL_BYTES = 1 << 17
"""The last frame is searched for in so many bytes: a frame of 4,096 samples in 8 channels of 24 bits has less."""

_MAX_TRIES = 8
_SYNC = re.compile(rb"\xff[\xf8\xf9]")


@dataclass(frozen=True, slots=True)
class _StreamInfo:
    block: bytes
    """The first metadata block."""

    @property
    def block_samples(self) -> int:
        return int.from_bytes(self.block[2:4], "big")

    @property
    def rate_hz(self) -> int:
        return int.from_bytes(self.block[10:13], "big") >> 4

    @property
    def channels(self) -> int:
        return (self.block[12] >> 1 & 7) + 1

    @property
    def bits(self) -> int:
        return (int.from_bytes(self.block[12:14], "big") >> 4 & 31) + 1

    @property
    def samples(self) -> int:
        return int.from_bytes(self.block[13:18], "big") & (2**36 - 1)

    def header(self) -> bytes:
        """Return the start of a file up to its first frame, without a length and other metadata."""
        return (
            b"fLaC\x80"
            + len(self.block).to_bytes(3, "big")
            + self.block[:13]
            + bytes([self.block[13] & 0xF0, 0, 0, 0, 0])
            + self.block[18:]
        )


def parse_flac(file: BinaryIO, file_bytes: int) -> AudioLayout | None:
    """Find a file's frames and count its samples. Return None if it is not a FLAC file.

    Raises UnreadableError if its metadata do not lead to audio.
    """
    begin = id3_bytes(file)
    file.seek(begin)
    if file.read(4) != b"fLaC":
        return None
    info, first_frame = _skip_metadata(file)
    end = file_bytes - tag_bytes(file, file_bytes)
    samples, is_clean = _count_samples(file, first_frame, end, info)
    declared, length = info.samples, LengthStatus.WHOLE
    if not info.samples or (is_clean and samples != info.samples) or samples > info.samples:
        declared, length = samples, LengthStatus.RECOVERED
    elif samples < info.samples:
        length = LengthStatus.TRUNCATED
    end = max(first_frame, end)
    extent = AudioExtent(first_frame, end, end, length, has_length=info.samples > 0)
    sample_type = SampleType("flac", 8 * -(-info.bits // 8))
    header = info.header() if 0 < info.samples < samples else b""
    return AudioLayout(sample_type, info.rate_hz, info.channels, 1, extent, samples, declared, repaired_header=header)


def _skip_metadata(file: BinaryIO) -> tuple[_StreamInfo, int]:
    """Return the stream's facts, and the byte at which the first frame begins."""
    info = None
    for _ in range(_MAX_BLOCKS):
        head = file.read(4)
        if len(head) < 4:
            break
        size, is_last = int.from_bytes(head[1:], "big"), head[0] & 0x80
        if head[0] & 0x7F == 0 and size >= 34 and not info:
            info = _StreamInfo(file.read(size))
        else:
            file.seek(size, 1)
        if is_last and info and len(info.block) >= 34:
            return info, file.tell()
    raise UnreadableError("not_audio", "its metadata do not lead to audio")


def _count_samples(file: BinaryIO, first_frame: int, end: int, info: _StreamInfo) -> tuple[int, bool]:
    """Return the samples in complete frames, and whether the last one ends the file. A cut one does not count."""
    start = max(first_frame, end - _TAIL_BYTES)
    file.seek(start)
    tail = file.read(max(0, end - start))
    counted = 0
    for match in [*_SYNC.finditer(tail)][: -_MAX_TRIES - 1 : -1]:
        if not (frame := _parse_frame(tail, match.start(), info)):
            continue
        first, samples = frame
        counted = counted or first
        if _crc16(tail[match.start() :]) == 0:
            return first + samples, True
    return counted or info.samples, False


def _parse_frame(tail: bytes, at: int, info: _StreamInfo) -> tuple[int, int] | None:
    """Return the position and the number of a frame's samples, or None if no frame begins there."""
    head = tail[at : at + 16].ljust(16, b"\0")
    code, is_variable = head[2] >> 4, head[1] & 1
    length = 0
    while length < 8 and head[4] << length & 0x80:
        length += 1
    if code == 0 or length in (1, 8) or head[3] & 1:
        return None
    number = head[4] & (0x7F >> length) if length < 7 else 0
    for byte in head[5 : 4 + max(1, length)]:
        number = number << 6 | byte & 0x3F
    rest = 4 + max(1, length)
    extra = {6: 1, 7: 2}.get(code, 0)
    samples = int.from_bytes(head[rest : rest + extra], "big") + 1 if extra else _block_samples(code)
    rest += extra + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if rest >= len(head) or _crc8(head[: rest + 1]) != 0:
        return None
    return number * (1 if is_variable else info.block_samples), samples


def _block_samples(code: int) -> int:
    if code == 1:
        return 192
    return 576 << code - 2 if code <= 5 else 256 << code - 8


def _table(polynomial: int, bits: int) -> list[int]:
    table = []
    for byte in range(256):
        value = byte << bits - 8
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> bits - 1 else 0)
            value &= (1 << bits) - 1
        table.append(value)
    return table


_CRC8, _CRC16 = _table(0x07, 8), _table(0x8005, 16)


def _crc8(content: bytes) -> int:
    value = 0
    for byte in content:
        value = _CRC8[value ^ byte]
    return value


def _crc16(content: bytes) -> int:
    value = 0
    for byte in content:
        value = (value << 8 & 0xFF00) ^ _CRC16[value >> 8 ^ byte]
    return value
