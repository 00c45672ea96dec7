"""Identifies recordings by their audio. What a header, a tag or a name says is no part of it.

See docs/decisions/0023-identity-ownership-and-acknowledgement.md. A growing file, a copy that is cut or damaged, and
the same audio with another header are one recording. Two recordings that contain nearly no signal, as of a broken
microphone, are told apart by the times in their names.
"""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.regular_file import INTERRUPTED, open_regular, unreadable_error
from anura_edge.sources.formats.layout import AudioLayout
from anura_edge.sources.formats.ogg import PAGE_HEAD_BYTES, without_page_numbers

PIECE_BYTES, MAX_PIECES = 4_096, 64
"""An id covers at most so many evenly spread pieces of the audio: all of it up to 256 KiB, else at least 128 KiB. The
noise of a microphone is never the same twice, so one piece would do. More are proof against damage and editing."""

PROBE_BYTES = 1_024
"""Of each piece this much is compared on its own: so much of the last piece is there if a file is cut."""

HEAD_BYTES = 65_536
"""The first audio with a signal is searched for in so many bytes. It finds recordings that may be the same."""

SIGNAL_SHARE = 1 / 4
"""Share of the pieces that must contain a signal. The pop of a microphone that is switched on, and then a flat line, is
the same in many recordings."""

FLAT_STEP = 1 / 2**15
"""A decoder's values that differ by less are one value."""

_LEAST_BITS = {"flac": 1.0}
"""Compressed audio with fewer bits per sample may be silence: other codecs 0.125."""

_BLOCK = 1 << 20
_QUICK_PERIOD = 48
"""A piece of a file that repeats after so many bytes is flat, for any width of samples and up to 16 channels."""


@dataclass(frozen=True, slots=True)
class AudioIdentity:
    """What identifies the audio of a file, and what proves that other audio is a part of it."""

    id: str
    """BLAKE2b over the format, the length and the pieces. If there is nearly no signal: over all audio, and the time in
    the name."""
    audio_format: str
    """Sample type, rate and channels."""
    audio_bytes: int
    probes: bytes
    """Four bytes for each complete probe at a multiple of the stride. The lowest bit is 1 if it contains a signal."""
    has_signal: bool
    """Whether the content identifies the recording."""
    head: str | None
    """BLAKE2b over the first audio with a signal. Recordings with equal heads may be the same."""
    named_start: str
    """The time in the file's name, or an empty string."""

    @property
    def signal_probes(self) -> int:
        """Number of probes with a signal."""
        return int(np.count_nonzero(_numbers(self.probes) & 1))


def identify(
    path: Path, layout: AudioLayout, named_start: datetime | None, blocks: Callable[[], Iterable[FloatArray]]
) -> AudioIdentity:
    """Return the identity of a file's audio. `blocks` decodes all of it; compressed audio may need that.

    Raises UnreadableError if it cannot be read.
    """
    audio_format = f"{layout.sample_type}/{layout.rate_hz}/{layout.channels}"
    named = str(named_start or "")
    try:
        with open_regular(path) as file:
            reader = _AudioReader(file.fileno(), layout)
            pieces = list(reader.pieces())
            head = reader.head()
            has_signal = _has_signal(layout, [reader.is_flat(piece) for piece in pieces], blocks)
            digest = hashlib.blake2b(f"{audio_format}/{reader.size}".encode(), digest_size=16)
            for content in pieces if has_signal else reader.all():
                digest.update(content)
    except OSError as error:
        raise unreadable_error(path, error) from error
    if not has_signal:
        digest.update(named.encode())
    probes = np.array([reader.probe(piece) for piece in pieces if len(piece) >= PROBE_BYTES], "<u4").tobytes()
    head_id = hashlib.blake2b(audio_format.encode() + head, digest_size=16).hexdigest() if head and has_signal else None
    return AudioIdentity(digest.hexdigest(), audio_format, reader.size, probes, has_signal, head_id, named)


def is_same_recording(one: AudioIdentity, other: AudioIdentity) -> bool:
    """Return whether one is a part or a damaged copy of the other, or both are.

    Most of the places where both have a signal must be equal. So recordings that only begin alike are not the same. If
    one of them has nearly no signal, the times in their names must be equal, too.
    """
    if one.audio_format != other.audio_format:
        return False
    mine, theirs = _common_probes(one, other)
    both = (mine & theirs & 1).astype(bool)
    equal = mine == theirs
    is_named_alike = bool(one.named_start) and one.named_start == other.named_start
    if both.any():
        is_alike = 2 * np.count_nonzero(equal & both) > np.count_nonzero(both)
        return bool(is_alike) and (is_named_alike or (one.has_signal and other.has_signal))
    return is_named_alike and len(equal) > 0 and bool(equal.all())


def quick_fingerprint(path: Path, name: str, size: int, mtime_ns: int) -> bytes | None:
    """Return BLAKE2b over a file's directory entry and the start, middle and end of its content.

    None if the middle is flat: then other recordings may be equal there. The entry alone is not enough, because
    recorders with one schedule write cards with equal names, sizes and times. Raises UnreadableError if the file cannot
    be read.
    """
    digest = hashlib.blake2b(f"{name}/{size}/{mtime_ns}".encode(), digest_size=16)
    try:
        with open_regular(path) as file:
            start, middle, end = (
                os.pread(file.fileno(), PIECE_BYTES, max(0, offset))
                for offset in (0, (size - PIECE_BYTES) // 2, size - PIECE_BYTES)
            )
    except OSError as error:
        raise unreadable_error(path, error) from error
    if middle[_QUICK_PERIOD:] == middle[:-_QUICK_PERIOD]:
        return None
    for piece in (start, middle, end):
        digest.update(piece)
    return digest.digest()


class _AudioReader:
    """Reads pieces of the audio of an open file."""

    def __init__(self, descriptor: int, layout: AudioLayout) -> None:
        self._descriptor, self._layout = descriptor, layout
        self.size = layout.extent.end - layout.extent.offset
        if layout.is_plain:
            self.size -= self.size % layout.sample_bytes
        self._is_ogg = layout.sample_type.codec == "ogg"

    def read(self, at: int, size: int) -> bytes:
        """Return bytes of the audio from `at` on."""
        size = min(size, self.size - at)
        margin = min(at, PAGE_HEAD_BYTES) if self._is_ogg else 0
        content = os.pread(self._descriptor, margin + size, self._layout.extent.offset + at - margin)
        return without_page_numbers(content)[margin:] if self._is_ogg else content

    def pieces(self) -> Iterator[bytes]:
        """Yield the pieces at multiples of the stride."""
        for at in range(0, self.size, stride(self.size)):
            yield self.read(at, PIECE_BYTES)

    def all(self) -> Iterator[bytes]:
        """Yield all audio."""
        for at in range(0, self.size, _BLOCK):
            yield self.read(at, _BLOCK)

    def head(self) -> bytes:
        """Return the first probe with a signal and its position, or nothing if there is none near the start."""
        start = self.read(0, HEAD_BYTES)
        for at in range(0, len(start) - PROBE_BYTES + 1, PROBE_BYTES):
            if not self.is_flat(probe := start[at : at + PROBE_BYTES]):
                return at.to_bytes(4, "little") + probe
        return b""

    def is_flat(self, content: bytes) -> bool:
        """Return whether no channel changes its value. For compressed audio: whether it contains little information."""
        if self._layout.is_plain:
            step = self._layout.sample_bytes
            return content[step:] == content[:-step]
        return 2 * len(zlib.compress(content, 1)) < len(content)

    def probe(self, piece: bytes) -> int:
        """Return the digest of the start of a piece. Its lowest bit tells whether that contains a signal."""
        content = piece[:PROBE_BYTES]
        number = int.from_bytes(hashlib.blake2b(content, digest_size=4).digest(), "little")
        return number & ~1 | (not self.is_flat(content))


def stride(audio_bytes: int) -> int:
    """Return the distance of the pieces: a power of two, so a longer recording has pieces at the same places."""
    step = PIECE_BYTES
    while step * MAX_PIECES < audio_bytes:
        step *= 2
    return step


def _numbers(probes: bytes) -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
    return np.frombuffer(probes, "<u4")


def _common_probes(
    one: AudioIdentity, other: AudioIdentity
) -> tuple["np.ndarray[tuple[int], np.dtype[np.uint32]]", "np.ndarray[tuple[int], np.dtype[np.uint32]]"]:
    """Return the probes at the places that both have."""
    step = max(stride(one.audio_bytes), stride(other.audio_bytes))
    mine, theirs = (_numbers(each.probes)[:: step // stride(each.audio_bytes)] for each in (one, other))
    count = min(len(mine), len(theirs))
    return mine[:count], theirs[:count]


def _has_signal(layout: AudioLayout, flat: list[bool], blocks: Callable[[], Iterable[FloatArray]]) -> bool:
    """Return whether enough of the audio contains a signal. Compressed audio is decoded if its size raises a doubt."""
    is_lively = flat.count(False) >= SIGNAL_SHARE * max(1, len(flat))
    if layout.is_plain:
        return is_lively
    audio_bits = 8 * (layout.extent.end - layout.extent.offset)
    least_bits = _LEAST_BITS.get(layout.sample_type.codec, 1 / 8) * layout.samples * layout.channels
    return (is_lively and audio_bits >= least_bits) or _share_with_signal(blocks()) >= SIGNAL_SHARE


def _share_with_signal(blocks: Iterable[FloatArray]) -> float:
    """Return the share of the blocks in which a channel changes its value."""
    count = lively = 0
    try:
        for block in blocks:
            count += 1
            lively += bool(np.ptp(block, axis=0).max(initial=0) >= FLAT_STEP)
    except UnreadableError as error:
        if error.reason == INTERRUPTED:
            raise
    return lively / max(1, count)
