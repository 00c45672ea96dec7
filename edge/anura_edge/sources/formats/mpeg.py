"""Finds the audio in an MP3 file, and counts its frames. Without that, libsndfile estimates the length.

The estimate assumes that all frames are as long as the first one. With a variable bit rate it is wrong by any factor,
and libsndfile reads no further. So a file without a count gets one: a `Xing` frame, as encoders write it. Formats:
ISO/IEC 11172-3 and 13818-3.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from anura_edge.sources.formats.extent import AudioExtent, LengthStatus
from anura_edge.sources.formats.layout import AudioLayout, SampleType
from anura_edge.sources.formats.tags import id3_bytes, tag_bytes

_READ_BYTES = 1 << 20
_SEARCHED_BYTES = 1 << 16
"""The first frame begins within so many bytes behind the tags."""

_FRAMES_OF_STREAM = 4
"""So many frames must follow each other behind other bytes. Fewer may be bytes that only look like frames."""

_KBITS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
"""Bit rates of MPEG 1, and of MPEG 2 and 2.5."""
_RATES_HZ = (44_100, 48_000, 32_000)


@dataclass(frozen=True, slots=True)
class _FrameHead:
    """What the first four bytes of a frame say."""

    bytes_: bytes
    rate_hz: int
    channels: int
    samples: int
    size: int

    @property
    def side_bytes(self) -> int:
        """Size of the side information behind the head."""
        return (9, 17, 17, 32)[2 * (self.samples == 1152) + (self.channels == 2)]

    def with_count(self, frames: int) -> bytes:
        """Return a frame without audio that tells how many frames follow."""
        for index in range(1, 15):
            head = bytes([*self.bytes_[:2], index << 4 | self.bytes_[2] & 0x0F, self.bytes_[3]])
            content = head + bytes(self.side_bytes) + b"Xing\0\0\0\1" + frames.to_bytes(4, "big")
            frame = _parse_head(head)
            if frame and frame.size >= len(content):
                return content.ljust(frame.size, b"\0")
        return b""


def parse_mpeg(file: BinaryIO, file_bytes: int) -> AudioLayout | None:
    """Find a file's frames and count them. Return None if it is not an MP3 file."""
    begin, end = id3_bytes(file), file_bytes - tag_bytes(file, file_bytes)
    file.seek(begin)
    searched = file.read(_SEARCHED_BYTES)
    first = next((at for at in range(len(searched)) if _begins_stream(searched, at)), None)
    if first is None:
        return None
    head = _parse_head(searched[first:])
    if not head:
        return None
    declared = _declared_frames(searched[first : first + head.size], head)
    offset = begin + first + (head.size if declared is not None else 0)
    frames, audio_end, gap_at = _count_frames(file, offset, end)
    length = LengthStatus.WHOLE
    if declared is not None and abs(declared - frames) > 1:
        length = LengthStatus.TRUNCATED if declared > frames else LengthStatus.RECOVERED
    needs_count = not declared or length == LengthStatus.RECOVERED
    header = head.with_count(frames) if needs_count else b""
    samples = frames * head.samples
    total = max(declared or 0, frames) * head.samples if length == LengthStatus.TRUNCATED else samples
    extent = AudioExtent(offset, max(offset, audio_end), max(offset, audio_end), length)
    return AudioLayout(
        SampleType("mpeg", 8),
        head.rate_hz,
        head.channels,
        1,
        extent,
        samples,
        total,
        repaired_header=header,
        gap_at=gap_at,
    )


def begins_with_frames(content: bytes) -> bool:
    """Return whether two frames begin at the start of a file."""
    return len(content) > 4 and _begins_stream(content, 0)


def _begins_stream(content: bytes, at: int) -> bool:
    """Return whether frames of one kind follow each other: two at the start of a file, more in the middle of bytes.

    In a large file of noise there are bytes that look like two frames.
    """
    needed, kind = _FRAMES_OF_STREAM if at else 2, None
    while content[at : at + 1] == b"\xff" and (head := _parse_head(content[at : at + 4])):
        if kind not in (None, (head.rate_hz, head.samples)):
            return False
        kind, at, needed = (head.rate_hz, head.samples), at + head.size, needed - 1
        if needed == 0:
            return True
    return False


def _parse_head(head: bytes) -> _FrameHead | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # layer III
        return None
    version, index, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or index in (0, 15) or rate == 3:
        return None
    is_first = version == 3
    rate_hz = _RATES_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    samples = 1152 if is_first else 576
    size = samples // 8 * _KBITS[not is_first][index] * 1_000 // rate_hz + (head[2] >> 1 & 1)
    return _FrameHead(head[:4], rate_hz, 1 if head[3] >> 6 == 3 else 2, samples, size)


def _declared_frames(frame: bytes, head: _FrameHead) -> int | None:
    """Return the count in a frame without audio, 0 if that has none. None if it is a frame of audio."""
    at = 4 + head.side_bytes
    if frame[at : at + 4] in (b"Xing", b"Info"):
        return int.from_bytes(frame[at + 8 : at + 12], "big") if frame[at + 7] & 1 else 0
    if frame[36:40] == b"VBRI":
        return int.from_bytes(frame[50:54], "big")
    return None


def _count_frames(file: BinaryIO, offset: int, end: int) -> tuple[int, int, int | None]:
    """Return the number of complete frames, the byte behind the last one, and where other bytes lie before frames.

    The last one is None if there are none: a tag, and bytes in which only single frames seem to begin, do not count.
    """
    frames, last_end, run = 0, offset, 0
    other_at = gap_at = None
    for at, size in _frames(file, offset, end):
        if at + size > end:
            continue
        if at != last_end and frames:
            run, other_at = 0, last_end if other_at is None and not _is_tag(file, last_end) else other_at
        run += 1
        if run == _FRAMES_OF_STREAM and gap_at is None:
            gap_at = other_at
        frames, last_end = frames + 1, at + size
    return frames, last_end, gap_at


def _is_tag(file: BinaryIO, at: int) -> bool:
    """Return whether a tag begins there, as between files that were joined."""
    file.seek(at)
    return file.read(3) in (b"ID3", b"TAG", b"APE")


def _frames(file: BinaryIO, offset: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield offset and size of each frame. Bytes between frames, as after damage, are skipped."""
    file.seek(offset)
    content, base, at = b"", offset, 0
    while base + at + 4 <= end:
        if at + 4 > len(content):
            file.seek(base + at)
            content, base, at = file.read(min(_READ_BYTES, end - base - at)), base + at, 0
            if len(content) < 4:
                return
        if head := _parse_head(content[at : at + 4]):
            yield base + at, head.size
            at += head.size
        else:
            found = content.find(b"\xff", at + 1)
            at = found if found >= 0 else len(content)
