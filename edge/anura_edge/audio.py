"""What sound is on its way through the device: values without behaviour, shared by every source and stage."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
SampleArray = FloatArray | NDArray[np.int16]
"""Samples as they come: float32 with a full scale of -1.0 to 1.0, or int16 as most recorders write them."""


class ClockSource(StrEnum):
    """How the time of a recording's first sample is known, the most trusted first."""

    GPS = "gps"
    RECORDER = "recorder"
    """The recorder's own clock, with a known offset from UTC."""
    SYSTEM = "system"
    """This machine's clock, kept by NTP or a battery."""
    FILE = "file"
    """The file's modification time: good for an order, not for a time of day."""
    UNKNOWN = "unknown"
    """A file: the recorder's local time with no offset known, read as UTC, so wrong by up to 14 hours. A microphone:
    a machine that does not know the time, wrong by any amount but the same throughout the recording."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The facts of one stretch of sound: a file, or one run with a microphone."""

    id: str
    """The content's fingerprint for a file, a random UUID for a microphone."""

    name: str
    """For people: the path below the scanned folder, or the microphone's name."""

    start_utc: datetime
    """Time of sample 0, in UTC."""

    clock_source: ClockSource

    rate_hz: int

    channels: int

    samples: int | None
    """How many samples a file's header promises per channel; None for a microphone, which has no end, and for a FLAC
    that a power cut left without its length."""

    warnings: tuple[str, ...] = ()
    """What is odd about it, for people: witnesses of its time that disagree, a header that was never finished."""

    def time_at(self, sample: int) -> datetime:
        """Return the UTC time of a sample, counted from the start of this recording at `rate_hz`."""
        return self.start_utc + timedelta(seconds=sample / self.rate_hz)


@dataclass(frozen=True, slots=True, eq=False)
class AudioChunk:
    """The next piece of a recording. Chunks come in order; a jump in `first_sample` is audio that was dropped."""

    samples: SampleArray
    """Shape (samples, channels); none where a microphone is away."""

    first_sample: int
    """Position of samples[0], counted from the start of the recording at its own rate."""

    @property
    def end_sample(self) -> int:
        """Position just after the last sample."""
        return self.first_sample + len(self.samples)

    def channel(self, number: int) -> FloatArray:
        """Return one channel: shape (samples,), float32 from -1.0 to 1.0. Only this one is converted."""
        samples = to_float(self.samples[:, number])
        if self.samples.dtype == np.int16:
            return samples
        # Float files can hold NaN, which a recurrent state would never forget, and values whose square is infinite.
        is_sound = samples.min(initial=0) >= -1 and samples.max(initial=0) <= 1
        return samples if is_sound else np.nan_to_num(samples).clip(-1, 1)

    def choose_channel(self, wanted: int | Literal["loudest"]) -> int:
        """Return the number of the wanted channel, at most the last one, or of the channel with the highest level."""
        if wanted != "loudest":
            return min(wanted, int(self.samples.shape[1]) - 1)
        channels = map(self.channel, range(self.samples.shape[1]))
        return int(np.argmax([np.dot(samples, samples) for samples in channels]))


def to_float(samples: SampleArray) -> FloatArray:
    """Return samples of any shape in one piece of memory, float32, full scale is -1.0 to 1.0."""
    if samples.dtype != np.int16:
        return np.ascontiguousarray(samples, np.float32)
    scaled = np.ascontiguousarray(samples).astype(np.float32)
    scaled *= np.float32(1 / 2**15)
    return scaled


def to_pcm16(samples: FloatArray) -> NDArray[np.int16]:
    """Return samples of any shape as int16, clipped to full scale and rounded to the nearest value."""
    return np.rint(samples.clip(-1, 1) * np.float32(2**15 - 1)).astype(np.int16)


class AudioSource(Protocol):
    """A recording that can be heard."""

    @property
    def recording(self) -> Recording:
        """Its facts, known before the first sample is read; a microphone's `start_utc` moves when its clock is set."""

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield its audio in order.

        Raises UnreadableError when the recording breaks off in the middle.
        """
