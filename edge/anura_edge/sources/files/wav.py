"""Finds the audio in a WAV file, whatever its header says: RIFF, RF64 and BW64, plain or WAVE_FORMAT_EXTENSIBLE.

A recorder that loses power leaves sizes of 0 or sizes beyond the end of the file, from which libsndfile reads nothing,
or less than was promised, without an error. So the walk over the chunks is our own, and then reading the samples is
only arithmetic, which numpy does several times as fast.

The audio is where the chunks lead, never where `data` happens to stand: a voice note in a `wamd` chunk is a whole WAV
file. Formats: Microsoft's "Multiple Channel Audio Data and WAVE Files"; EBU Tech 3306 (RF64).
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
"""No more than this is read of a chunk that describes the recording: a voice note in it may be long."""

MAX_SAMPLES = 2**36
"""FLAC's own limit, 38 hours at 500 kHz: a header that promises more is damaged."""

DESCRIBING = frozenset({b"guan", b"wamd", b"LIST"})

_IN_DS64 = 0xFFFFFFFF
_EXTENSIBLE = 0xFFFE
_PLACEHOLDERS = (range(1), range(0x7FFFF000, 0x80000001), range(0xFFFFF000, 0x100000000))
"""Sizes that writers put down before they know: AudioMoth 0, SoX and arecord just below 2**31, ffmpeg 2**32 - 1."""

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
    """What became of the length that a header gives."""

    WHOLE = "whole"
    RECOVERED = "recovered"
    """It gives none, since the recording was interrupted: what is in the file is all there is."""
    TRUNCATED = "truncated"
    """It promises more than is in the file."""


@dataclass(frozen=True, slots=True)
class WavLayout:
    """Where the audio lies in a WAV file, and what the file says about it."""

    encoding: tuple[int, int]
    """Format tag and bits per sample, in whole bytes."""
    rate_hz: int
    channels: int
    sample_bytes: int
    """Size of one sample of all channels."""
    offset: int
    """The byte at which the samples begin."""
    samples: int
    """Whole samples per channel that are in the file."""
    promised: int
    """Samples per channel that the header promises; as many as are there if it does not say."""
    length: LengthStatus
    texts: dict[bytes, bytes]
    """The first chunk of each kind in `DESCRIBING`, up to MAX_TEXT_BYTES."""

    @property
    def is_plain(self) -> bool:
        """The samples are numbers as they stand, which `read_samples` understands: no ADPCM, no A-law."""
        return self.encoding in _ENCODINGS

    def with_samples(self, samples: int) -> "WavLayout":
        """Correct the number of samples, as a decoder counts them, and the promise in proportion."""
        promised = samples * self.promised // self.samples if self.samples else samples
        return replace(self, samples=samples, promised=min(promised, MAX_SAMPLES))


def parse_wav(file: BinaryIO, file_bytes: int) -> WavLayout | None:
    """Follow a file's chunks to its audio; None is a file that is no WAV.

    Raises UnreadableError if they do not lead to any.
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
    goes_on = chunks[-1] is not data and chunks[-1].end in (file_bytes, file_bytes - 1)
    promised_bytes = data.size if data.size or goes_on else None
    texts = {kind: _read(file, chunk) for kind, chunk in first.items() if kind in DESCRIBING}
    return _wave(_read(file, first[b"fmt "]), data.offset, promised_bytes, file_bytes - data.offset, texts)


def read_samples(file: BinaryIO, wave: WavLayout, block: int) -> Iterator[SampleArray]:
    """Yield the samples of a plain file, `block` at a time: shape (samples, channels)."""
    file.seek(wave.offset)
    left = wave.samples
    while left > 0 and (content := file.read(min(block, left) * wave.sample_bytes)):
        samples = _decode(content, wave)
        yield samples
        left -= len(samples)


def _decode(content: bytes, wave: WavLayout) -> SampleArray:
    kind, zero, scale = _ENCODINGS[wave.encoding]
    whole = len(content) // wave.sample_bytes * wave.sample_bytes
    raw = np.frombuffer(content, np.uint8, whole)
    if wave.encoding == (1, 16):  # nearly all recorders': one channel of it will do, so it is converted later
        return raw.view(kind).astype(np.int16, copy=False).reshape(-1, wave.channels)
    if wave.encoding == (1, 24):
        raw = np.pad(raw.reshape(-1, 3), ((0, 0), (1, 0))).reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):  # a damaged double may be larger than any float
        samples = raw.view(kind).astype(np.float32)
    if scale != 1:
        samples -= np.float32(zero)
        samples *= np.float32(scale)
    return samples.reshape(-1, wave.channels)


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    offset: int
    """Where its content begins."""
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size


def _walk(file: BinaryIO, file_bytes: int) -> Iterator[_Chunk]:
    """Yield chunks until one has no proper name (behind an unfinished header come samples) or leads out of the file."""
    at, ds64_bytes = 12, 0
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        if not _is_kind((head := file.read(8))[:4]) or len(head) < 8:
            return
        kind, size = struct.unpack("<4sI", head)
        chunk = _Chunk(kind, at + 8, size)
        if kind == b"ds64":
            ds64_bytes = int.from_bytes(_read(file, chunk)[8:16], "little")  # behind the size of the whole file
        elif kind == b"data" and size == _IN_DS64 and ds64_bytes:
            chunk = _Chunk(kind, at + 8, ds64_bytes)
        yield chunk
        if chunk.end > file_bytes:
            return
        at = _next(file, chunk)


def _next(file: BinaryIO, chunk: _Chunk) -> int:
    """Return where the next chunk begins: at an even place, unless the writer forgot to pad."""
    if chunk.size % 2 == 0:
        return chunk.end
    file.seek(chunk.end)
    return chunk.end if _is_kind(file.read(4)) else chunk.end + 1


def _is_kind(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def _read(file: BinaryIO, chunk: _Chunk) -> bytes:
    file.seek(chunk.offset)
    return file.read(min(chunk.size, MAX_TEXT_BYTES))


def _wave(
    form: bytes, offset: int, promised_bytes: int | None, there_bytes: int, texts: dict[bytes, bytes]
) -> WavLayout:
    if len(form) < 16:
        raise UnreadableError("bad_header", f"its 'fmt' chunk has {len(form)} bytes in place of 16")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if tag == _EXTENSIBLE and len(form) >= 26:
        (tag,) = struct.unpack_from("<H", form, 24)  # the first two bytes of a GUID are the old tag
    width = -(-bits // 8)
    sample_bytes = max(1, channels * width)
    there = there_bytes // sample_bytes
    promised = there if promised_bytes is None else promised_bytes // sample_bytes
    length = LengthStatus.WHOLE if promised_bytes is not None else LengthStatus.RECOVERED
    if promised > there:
        is_promise = promised <= MAX_SAMPLES and not any(promised_bytes in range_ for range_ in _PLACEHOLDERS)
        length, promised = (LengthStatus.TRUNCATED, promised) if is_promise else (LengthStatus.RECOVERED, there)
    encoding = (tag, 8 * width)
    return WavLayout(encoding, rate_hz, channels, sample_bytes, offset, min(there, promised), promised, length, texts)
