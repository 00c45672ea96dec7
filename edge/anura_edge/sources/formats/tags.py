"""Measures the tags that music programs write before and behind the audio of a file."""

from typing import BinaryIO


def id3_bytes(file: BinaryIO) -> int:
    """Return the size of the ID3v2 tags at the start of a file."""
    size = 0
    while True:
        file.seek(size)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            return size
        length = sum((byte & 0x7F) << 21 - 7 * number for number, byte in enumerate(head[6:10]))
        size += 10 + length + 10 * bool(head[5] & 0x10)


def tag_bytes(file: BinaryIO, file_bytes: int) -> int:
    """Return the size of the ID3v1 and APE tags at the end of a file."""
    size = 0
    for _ in range(4):
        if (one := _last_tag(file, file_bytes - size)) == 0:
            break
        size += one
    return size


def _last_tag(file: BinaryIO, end: int) -> int:
    if end < 128:
        return 0
    file.seek(end - 128)
    tail = file.read(128)
    if tail[:3] == b"TAG":
        return 128
    if tail[96:104] == b"APETAGEX":
        size, flags = int.from_bytes(tail[108:112], "little"), int.from_bytes(tail[116:120], "little")
        return min(end, size + 32 * (flags >> 31))
    return 0
