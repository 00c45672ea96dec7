"""Where the audio of a file lies, and how its samples are stored. Reads samples that are plain numbers.

Reading plain samples is only arithmetic, which numpy does several times as fast as libsndfile.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np

from anura_edge.audio import SampleArray
from anura_edge.sources.formats.companding import expansion
from anura_edge.sources.formats.extent import AudioExtent, LengthStatus

MAX_SAMPLES = 2**36
"""FLAC's own limit, 38 hours at 500 kHz. A header that declares more is damaged."""


@dataclass(frozen=True, slots=True)
class SampleType:
    """How one sample of one channel is stored."""

    codec: str
    """`signed`, `unsigned`, `float`, `alaw` or `ulaw`, else the name of an encoding that libsndfile decodes."""
    bits: int
    """Rounded up to whole bytes."""
    order: str = "<"
    """`<` for little-endian, `>` for big-endian numbers."""

    @property
    def is_plain(self) -> bool:
        """Whether each sample has bytes of its own, which `read_samples` can decode: not ADPCM."""
        widths = {"signed": (8, 16, 24, 32), "unsigned": (8,), "float": (32, 64), "alaw": (8,), "ulaw": (8,)}
        return self.bits in widths.get(self.codec, ())

    @property
    def full_scale(self) -> float:
        """The number that stands for 1.0."""
        return 1.0 if self.codec == "float" else 2.0 ** (max(self.bits, 32 * (self.bits == 24)) - 1)


@dataclass(frozen=True, slots=True)
class AudioLayout:
    """Position and format of the audio in a file, and what its header says in addition."""

    sample_type: SampleType
    rate_hz: int
    channels: int
    sample_bytes: int
    """Size of one sample of all channels. For compressed audio only the proportions count."""
    extent: AudioExtent
    samples: int
    """Complete samples per channel in the file."""
    declared: int
    """Samples per channel that the header declares. Equal to `samples` if it does not."""
    texts: Mapping[bytes, bytes] = field(default_factory=dict)
    """Chunks with metadata, by their name."""
    repaired_header: bytes = b""
    """A header with true sizes, for a decoder that believes the sizes in the file. Empty if that one is good."""
    has_further_audio: bool = False
    """Whether the file contains a second piece of audio behind this one, which is not read."""
    gap_at: int | None = None
    """Byte of compressed audio at which a piece is missing or damaged. The audio behind it has no known time, so it is
    not read. None if there is none."""

    @property
    def is_plain(self) -> bool:
        """Whether `read_samples` can decode the samples."""
        return self.sample_type.is_plain

    @property
    def length(self) -> LengthStatus:
        """How the length in the header compares with the file."""
        return self.extent.length

    @classmethod
    def of_plain(
        cls,
        sample_type: SampleType,
        rate_hz: int,
        channels: int,
        extent: AudioExtent,
        texts: Mapping[bytes, bytes] | None = None,
        repaired_header: bytes = b"",
        further_bytes: int = 0,
    ) -> "AudioLayout":
        """Count the samples of an extent. `further_bytes` is the size of audio behind it that is not read."""
        sample_bytes = max(1, channels * sample_type.bits // 8)
        samples, declared = ((end - extent.offset) // sample_bytes for end in (extent.end, extent.declared_end))
        if samples == declared and extent.length == LengthStatus.TRUNCATED:
            extent = replace(extent, length=LengthStatus.WHOLE)  # only a part of one sample is missing
        declared += further_bytes // sample_bytes
        texts = texts or {}
        return cls(
            sample_type,
            rate_hz,
            channels,
            sample_bytes,
            extent,
            samples,
            declared,
            texts,
            repaired_header,
            further_bytes > 0,
        )

    def with_decoder(self, rate_hz: int, channels: int, samples: int) -> "AudioLayout":
        """Return the layout with a decoder's facts. `samples` are those that it expects.

        What is missing at the end of the file is missing from them in proportion.
        """
        if self.declared == 0:
            available = declared = samples
        elif self.sample_type.codec == "mpeg":
            available, declared = min(samples, self.samples), samples
        else:
            available, declared = samples, samples * self.declared // max(1, self.samples)
        declared = min(declared, MAX_SAMPLES)
        return replace(self, rate_hz=rate_hz, channels=channels, samples=available, declared=declared)


def whole_file(file_bytes: int) -> AudioLayout:
    """Return the layout of a file that only a decoder understands: all of it is audio."""
    extent = AudioExtent(0, file_bytes, file_bytes, LengthStatus.WHOLE)
    return AudioLayout(SampleType("unknown", 8), 0, 0, 1, extent, 0, 0)


def read_samples(file: BinaryIO, layout: AudioLayout, block: int) -> Iterator[SampleArray]:
    """Yield the samples of a plain file, `block` at a time: shape (samples, channels)."""
    file.seek(layout.extent.offset)
    remaining = layout.samples
    while remaining > 0 and (content := file.read(min(block, remaining) * layout.sample_bytes)):
        samples = decode_samples(content, layout)
        yield samples
        remaining -= len(samples)


def decode_samples(content: bytes, layout: AudioLayout) -> SampleArray:
    """Return the complete samples at the start of `content`: shape (samples, channels)."""
    kind = layout.sample_type
    complete = len(content) // layout.sample_bytes * layout.sample_bytes
    raw = np.frombuffer(content, np.uint8, complete)
    if (
        kind.codec == "signed" and kind.bits == 16
    ):  # nearly all recorders: only the selected channel is converted, later
        return raw.view(f"{kind.order}i2").astype(np.int16, copy=False).reshape(-1, layout.channels)
    if kind.codec in ("alaw", "ulaw"):
        return expansion(kind.codec)[raw].reshape(-1, layout.channels)
    if kind.bits == 24:  # moved to the upper three bytes of four
        raw = np.pad(raw.reshape(-1, 3), ((0, 0), (1, 0) if kind.order == "<" else (0, 1))).reshape(-1)
    letter = {"signed": "i", "unsigned": "u", "float": "f"}[kind.codec]
    width = 4 if kind.bits == 24 else kind.bits // 8
    with np.errstate(over="ignore", invalid="ignore"):  # a damaged double may be larger than any float
        samples = raw.view(f"{kind.order}{letter}{width}").astype(np.float32)
    if kind.codec == "unsigned":
        samples -= np.float32(kind.full_scale)
    if kind.codec != "float":
        samples *= np.float32(1 / kind.full_scale)
    return samples.reshape(-1, layout.channels)
