"""Finds the audio in a WAV file with any header: RIFF, RF64 and BW64, plain or WAVE_FORMAT_EXTENSIBLE.

A recorder that loses power leaves sizes of 0 or sizes beyond the end of the file. libsndfile then reads nothing, or
less than the header declares, without an error. So this module walks over the chunks itself. Reading the samples is
then only arithmetic, which numpy does several times as fast.

The audio is where the chunks lead, never where the bytes `data` happen to be: a voice note in a `wamd` chunk is a
complete WAV file. Formats: Microsoft's "Multiple Channel Audio Data and WAVE Files"; EBU Tech 3306 (RF64).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import BinaryIO

import numpy as np

from anura_edge.audio import SampleArray
from anura_edge.errors import UnreadableError

MAX_CHUNKS = 1_000
MAX_TEXT_BYTES = 1 << 20
"""Bytes that are read of a chunk with metadata: a voice note in it may be long."""

MAX_SAMPLES = 2**36
"""FLAC's own limit, 38 hours at 500 kHz. A header that declares more is damaged."""

METADATA_CHUNKS = frozenset({b"guan", b"wamd", b"LIST"})

_IN_DS64 = 0xFFFFFFFF
_EXTENSIBLE = 0xFFFE
_PLACEHOLDERS = (range(1), range(0x7FFFF000, 0x80000001), range(0xFFFFF000, 0x100000000))
"""Sizes written before the size is known: AudioMoth 0, SoX and arecord just below 2**31, ffmpeg 2**32 - 1."""

_ENCODINGS: dict[tuple[int, int], tuple[str, float, float]] = {
    (1, 8): ("u1", 128, 1 / 2**7),
    (1, 16): ("<i2", 0, 1 / 2**15),
    (1, 24): ("<i4", 0, 1 / 2**31),  # moved to the upper three bytes
    (1, 32): ("<i4", 0, 1 / 2**31),
    (3, 32): ("<f4", 0, 1),
    (3, 64): ("<f8", 0, 1),
}
"""By format tag and bits: type, zero and scale of the samples."""


class LengthStatus(StrEnum):
    """How the length in the header compares with the file."""

    WHOLE = "whole"
    RECOVERED = "recovered"
    """The header has no length, because the recording was interrupted. All audio in the file is used."""
    TRUNCATED = "truncated"
    """The header declares more than the file contains."""


@dataclass(frozen=True, slots=True)
class WavLayout:
    """Position and format of the audio in a WAV file, and the metadata chunks."""

    encoding: tuple[int, int]
    """Format tag and bits per sample, rounded up to whole bytes."""
    rate_hz: int
    channels: int
    sample_bytes: int
    """Size of one sample of all channels."""
    offset: int
    """Byte at which the samples begin."""
    samples: int
    """Complete samples per channel in the file."""
    declared: int
    """Samples per channel that the header declares. Equal to `samples` if it does not."""
    length: LengthStatus
    texts: dict[bytes, bytes]
    """The first chunk of each kind in METADATA_CHUNKS, up to MAX_TEXT_BYTES."""

    @property
    def is_plain(self) -> bool:
        """Whether the samples are plain numbers, which `read_samples` can decode: not ADPCM, not A-law."""
        return self.encoding in _ENCODINGS

    def with_samples(self, samples: int) -> "WavLayout":
        """Replace the number of samples by a decoder's count, and the declared number in proportion."""
        declared = samples * self.declared // self.samples if self.samples else samples
        return replace(self, samples=samples, declared=min(declared, MAX_SAMPLES))


def parse_wav(file: BinaryIO, file_bytes: int) -> WavLayout | None:
    """Walk over a file's chunks to its audio. Return None if it is not a WAV file.

    Raises UnreadableError if the chunks do not lead to audio.
    """
    file.seek(0)
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
        return None
    chunks = list(_walk(file, file_bytes))
    first = {chunk.kind: chunk for chunk in reversed(chunks)}
    for kind in (b"fmt ", b"data"):
        if kind not in first:
            raise UnreadableError("bad_header", f"its header does not lead to a {kind.decode().strip()!r} chunk")
    data = first[b"data"]
    has_more_chunks = chunks[-1] is not data and chunks[-1].end in (file_bytes, file_bytes - 1)
    declared_bytes = data.size if data.size or has_more_chunks else None
    texts = {kind: _read(file, chunk) for kind, chunk in first.items() if kind in METADATA_CHUNKS}
    return _layout(_read(file, first[b"fmt "]), data.offset, declared_bytes, file_bytes - data.offset, texts)


def read_samples(file: BinaryIO, layout: WavLayout, block: int) -> Iterator[SampleArray]:
    """Yield the samples of a plain file, `block` at a time: shape (samples, channels)."""
    file.seek(layout.offset)
    remaining = layout.samples
    while remaining > 0 and (content := file.read(min(block, remaining) * layout.sample_bytes)):
        samples = _decode(content, layout)
        yield samples
        remaining -= len(samples)


def _decode(content: bytes, layout: WavLayout) -> SampleArray:
    kind, zero, scale = _ENCODINGS[layout.encoding]
    complete = len(content) // layout.sample_bytes * layout.sample_bytes
    raw = np.frombuffer(content, np.uint8, complete)
    if layout.encoding == (1, 16):  # nearly all recorders: only the selected channel is converted, later
        return raw.view(kind).astype(np.int16, copy=False).reshape(-1, layout.channels)
    if layout.encoding == (1, 24):
        raw = np.pad(raw.reshape(-1, 3), ((0, 0), (1, 0))).reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):  # a damaged double may be larger than any float
        samples = raw.view(kind).astype(np.float32)
    if scale != 1:
        samples -= np.float32(zero)
        samples *= np.float32(scale)
    return samples.reshape(-1, layout.channels)


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    offset: int
    """Byte at which its content begins."""
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size


def _walk(file: BinaryIO, file_bytes: int) -> Iterator[_Chunk]:
    """Yield chunks until one has no valid name (after an unfinished header follow samples) or ends after the file."""
    offset, ds64_bytes = 12, 0
    for _ in range(MAX_CHUNKS):
        file.seek(offset)
        if not _is_kind((head := file.read(8))[:4]) or len(head) < 8:
            return
        kind, size = struct.unpack("<4sI", head)
        chunk = _Chunk(kind, offset + 8, size)
        if kind == b"ds64":
            ds64_bytes = int.from_bytes(_read(file, chunk)[8:16], "little")  # after the size of the whole file
        elif kind == b"data" and size == _IN_DS64 and ds64_bytes:
            chunk = _Chunk(kind, offset + 8, ds64_bytes)
        yield chunk
        if chunk.end > file_bytes:
            return
        offset = _next_offset(file, chunk)


def _next_offset(file: BinaryIO, chunk: _Chunk) -> int:
    """Return where the next chunk begins: at an even offset, unless the pad byte is missing."""
    if chunk.size % 2 == 0:
        return chunk.end
    file.seek(chunk.end)
    return chunk.end if _is_kind(file.read(4)) else chunk.end + 1


def _is_kind(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def _read(file: BinaryIO, chunk: _Chunk) -> bytes:
    file.seek(chunk.offset)
    return file.read(min(chunk.size, MAX_TEXT_BYTES))


def _layout(
    fmt: bytes, offset: int, declared_bytes: int | None, available_bytes: int, texts: dict[bytes, bytes]
) -> WavLayout:
    if len(fmt) < 16:
        raise UnreadableError("bad_header", f"its 'fmt' chunk has {len(fmt)} bytes instead of 16")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _EXTENSIBLE and len(fmt) >= 26:
        (tag,) = struct.unpack_from("<H", fmt, 24)  # the first two bytes of a GUID are the format tag
    width = -(-bits // 8)
    sample_bytes = max(1, channels * width)
    available = available_bytes // sample_bytes
    declared = available if declared_bytes is None else declared_bytes // sample_bytes
    length = LengthStatus.WHOLE if declared_bytes is not None else LengthStatus.RECOVERED
    if declared > available:
        is_size = declared <= MAX_SAMPLES and not any(declared_bytes in sizes for sizes in _PLACEHOLDERS)
        length, declared = (LengthStatus.TRUNCATED, declared) if is_size else (LengthStatus.RECOVERED, available)
    encoding = (tag, 8 * width)
    return WavLayout(
        encoding, rate_hz, channels, sample_bytes, offset, min(available, declared), declared, length, texts
    )
