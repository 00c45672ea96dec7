"""Walks over the chunks of a file: RIFF, RF64, Sony Wave64, AIFF and CAF differ only in how a chunk begins.

The audio is where the chunks lead, never where the bytes `data` happen to be: a voice note in a `wamd` chunk is a
complete WAV file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO

MAX_CHUNKS = 1_000
MAX_TEXT_BYTES = 1 << 20
"""Bytes that are read of a chunk with metadata: a voice note in it may be long."""

KNOWN_KINDS = frozenset(
    {
        b"LIST",
        b"list",
        b"guan",
        b"wamd",
        b"bext",
        b"iXML",
        b"id3 ",
        b"ID3 ",
        b"cue ",
        b"fact",
        b"fmt ",
        b"data",
        b"smpl",
    }
    | {b"inst", b"JUNK", b"junk", b"PAD ", b"FLLR", b"PEAK", b"axml", b"levl", b"SSND", b"COMM", b"ANNO", b"NAME"}
    | {b"AUTH", b"(c) ", b"MARK", b"APPL", b"info", b"free", b"afsp", b"_PMX", b"acid", b"SAUR"}
)
"""Chunks that programs and recorders write behind the audio. Other names may be audio that looks like a name."""

_AUDIO_KINDS = frozenset({b"data", b"SSND", b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"riff"})

_GUID_ENDS = (bytes.fromhex("f3acd3118cd100c04f8edb8a"), bytes.fromhex("2f91cf11a5d628db04c10000"))
"""What follows the four letters in the names of Wave64 chunks: of `fmt ` and `data`, and of `list`."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a file with a name and a size."""

    kind: bytes
    """Four letters."""
    offset: int
    """Byte at which its content begins."""
    size: int
    """Bytes of content, as its head declares."""

    @property
    def end(self) -> int:
        """Byte behind its content, as its head declares."""
        return self.offset + self.size


@dataclass(frozen=True, slots=True)
class ChunkFormat:
    """How a kind of file begins its chunks."""

    head: Struct
    """Name and size."""
    first: int
    """Byte at which the first chunk begins."""
    align: int
    """Chunks begin at a multiple of this many bytes."""
    counts_head: bool = False
    """Whether the size of a chunk includes its head."""

    def parse(self, head: bytes, offset: int, file_bytes: int) -> Chunk | None:
        """Return the chunk that begins at `offset`, or None if `head` is no head of a chunk."""
        if len(head) < self.head.size:
            return None
        name, size = self.head.unpack(head)
        kind = name[:4]
        if not all(32 <= byte < 127 for byte in kind) or (len(name) == 16 and name[4:] not in _GUID_ENDS):
            return None
        content = offset + self.head.size
        if size < 0:  # in CAF, -1 is a size that is not known yet
            return Chunk(kind, content, max(0, file_bytes - content))
        return Chunk(kind, content, max(0, size - self.head.size * self.counts_head))


RIFF = ChunkFormat(Struct("<4sI"), first=12, align=2)
RIFX = ChunkFormat(Struct(">4sI"), first=12, align=2)
"""RIFF with big-endian numbers. AIFF has the same chunks."""
WAVE64 = ChunkFormat(Struct("<16sQ"), first=40, align=8, counts_head=True)
CAF = ChunkFormat(Struct(">4sq"), first=8, align=1)


def walk(file: BinaryIO, file_bytes: int, form: ChunkFormat, offset: int) -> Iterator[Chunk]:
    """Yield chunks until one has no valid name (after an unfinished header follow samples) or ends after the file."""
    for _ in range(MAX_CHUNKS):
        file.seek(offset)
        if not (chunk := form.parse(file.read(form.head.size), offset, file_bytes)):
            return
        yield chunk
        if chunk.end > file_bytes:
            return
        offset = next_offset(file, file_bytes, form, chunk.end)


def next_offset(file: BinaryIO, file_bytes: int, form: ChunkFormat, end: int) -> int:
    """Return where the chunk behind `end` begins: at a multiple of `align`, unless the pad bytes are missing."""
    padded = end + -end % form.align
    if padded == end:
        return end
    file.seek(end)
    return end if form.parse(file.read(form.head.size), end, file_bytes) else padded


def are_chunks(file: BinaryIO, file_bytes: int, form: ChunkFormat, offset: int) -> bool:
    """Return whether chunks follow from `offset` on: a known one, or any that lead exactly to the end of the file."""
    first = next_offset(file, file_bytes, form, offset)
    chunks = list(walk(file, file_bytes, form, first))
    return any(chunk.kind in KNOWN_KINDS for chunk in chunks) or lead_to_end(file, file_bytes, form, first)


def lead_to_end(file: BinaryIO, file_bytes: int, form: ChunkFormat, offset: int) -> bool:
    """Return whether a chunk begins at `offset`, and it and those behind it lead exactly to the end of the file."""
    *_, last = [None, *walk(file, file_bytes, form, offset)]
    return last is not None and file_bytes - form.align < last.end <= file_bytes


def further_audio(file: BinaryIO, file_bytes: int, form: ChunkFormat, end: int) -> int:
    """Return the bytes of audio in chunks behind `end`: a second `data`, or a whole file that was appended."""
    behind = walk(file, file_bytes, form, next_offset(file, file_bytes, form, end))
    return sum(min(chunk.end, file_bytes) - chunk.offset for chunk in behind if chunk.kind in _AUDIO_KINDS)


def read_chunk(file: BinaryIO, chunk: Chunk) -> bytes:
    """Return the content of a chunk, at most MAX_TEXT_BYTES."""
    file.seek(chunk.offset)
    return file.read(min(chunk.size, MAX_TEXT_BYTES))
