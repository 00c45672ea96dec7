"""Audio values and conversions that every source and stage shares."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
SampleArray = FloatArray | NDArray[np.int16]
"""Samples as a file stores them: float32 with a full scale of -1.0 to 1.0, or int16 as most recorders write them."""

SILENCE_DBFS = -120.0
"""Level of digital silence, whose logarithm does not exist. It is below the range of 16 bits."""

FULL_SCALE = 0.999
"""A sample with at least this absolute value is at full scale. 16 bits end at 0.99997, some converters a bit lower."""

MAX_AMPLITUDE = 100.0
"""Float samples may be beyond full scale without being clipped. Larger ones than this, and NaN, are damage: they count
as 0."""


class ClockSource(StrEnum):
    """How the time of a recording's first sample is known, the most trusted first."""

    GPS = "gps"
    RECORDER = "recorder"
    """The recorder's own clock, with a known offset from UTC."""
    SYSTEM = "system"
    """The clock of this machine, set by NTP or kept by a battery."""
    FILE = "file"
    """The file's modification time. It is good for an order, not for a time of day."""
    UNKNOWN = "unknown"
    """File: the recorder's local time without a known offset, read as UTC, so wrong by up to 14 hours. Microphone: a
    machine that does not know the time; it is wrong by any amount, but the same throughout the recording."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The facts of one audio file, or of one session of a microphone."""

    id: str
    """The content's fingerprint for a file, a random UUID for a microphone."""

    name: str
    """Readable name: the path below the scanned folder, or the microphone's name."""

    start_utc: datetime
    """Time of sample 0, in UTC."""

    clock_source: ClockSource

    rate_hz: int

    channels: int

    samples: int | None
    """Samples per channel that the file's header declares. None for a microphone, which has no end, and for a FLAC file
    without a length, as a power cut leaves it."""

    warnings: tuple[str, ...] = ()
    """Oddities in plain text: times that disagree, a header that was never finished."""

    def time_at(self, sample: int) -> datetime:
        """Return the UTC time of a sample, counted from the start of this recording at `rate_hz`."""
        return self.start_utc + timedelta(seconds=sample / self.rate_hz)


@dataclass(frozen=True, slots=True, eq=False)
class AudioChunk:
    """The next part of a recording. Chunks are in order; a jump in `first_sample` means that audio was lost."""

    samples: SampleArray
    """Shape (samples, channels). Empty while a microphone is disconnected."""

    first_sample: int
    """Position of samples[0], counted from the start of the recording at its own rate."""

    @property
    def end_sample(self) -> int:
        """Position just after the last sample."""
        return self.first_sample + len(self.samples)

    def channel(self, number: int) -> FloatArray:
        """Return one channel: shape (samples,), float32 from -1.0 to 1.0. The other channels are not converted."""
        samples = to_float(self.samples[:, number])
        if self.samples.dtype == np.int16:
            return samples
        # Float files can contain NaN, which would stay in a recurrent state, and values whose square is infinite.
        if samples.min(initial=0) >= -MAX_AMPLITUDE and samples.max(initial=0) <= MAX_AMPLITUDE:
            return samples
        return np.where(np.abs(samples) <= MAX_AMPLITUDE, samples, np.float32(0))

    def choose_channel(self, wanted: int | Literal["loudest"]) -> int:
        """Return the number of the channel to analyse: the wanted one, or the last one if there are fewer."""
        return loudest_channel(self) if wanted == "loudest" else min(wanted, self.samples.shape[1] - 1)


def loudest_channel(chunk: AudioChunk) -> int:
    """Return the number of the channel with the highest level.

    Channels are never averaged, because the two gains of a stereo recorder may differ by 10 to 16 dB.
    """
    channels = map(chunk.channel, range(chunk.samples.shape[1]))
    return int(np.argmax([np.dot(samples, samples) for samples in channels]))


def is_full_scale(samples: FloatArray) -> NDArray[np.bool_]:
    """Return which samples are at full scale, where a converter clips. Samples of a float file beyond it are not."""
    size = np.abs(samples)
    return (size >= FULL_SCALE) & (size <= 1)


def is_flat(samples: SampleArray) -> bool:
    """Return whether no channel changes its value: shape (samples, channels)."""
    return bool((samples == samples[:1]).all())


def level_dbfs(mean_square: float) -> float:
    """Return the level of audio in dBFS, 10 log10 of its mean square: a full-scale sine has -3.0."""
    return max(SILENCE_DBFS, 10 * math.log10(mean_square)) if mean_square > 0 else SILENCE_DBFS


def to_float(samples: SampleArray) -> FloatArray:
    """Return samples of any shape as contiguous float32, full scale is -1.0 to 1.0."""
    if samples.dtype != np.int16:
        return np.ascontiguousarray(samples, np.float32)
    scaled = np.ascontiguousarray(samples).astype(np.float32)
    scaled *= np.float32(1 / 2**15)
    return scaled


def to_pcm16(samples: FloatArray) -> NDArray[np.int16]:
    """Return samples of any shape as int16, clipped to full scale and rounded to the nearest value."""
    return np.rint(samples.clip(-1, 1) * np.float32(2**15 - 1)).astype(np.int16)


class AudioSource(Protocol):
    """A recording that can be analysed."""

    @property
    def recording(self) -> Recording:
        """The recording's facts, known before the first sample. If a clock is set, `start_utc` moves."""

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield the audio in order.

        Raises UnreadableError if the recording breaks off.
        """
