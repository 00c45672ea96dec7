"""What is in a FLAC file that a device has sent. No more of it is decoded than a clip may be long."""

import io
from dataclasses import dataclass

import numpy as np
import soundfile as sf

from anura_edge.audio import FloatArray
from anura_edge.errors import UnreadableError

MAX_S = 120.0
MAX_VALUES = 2**24
"""67 MB of memory: a few kilobytes of FLAC may stand for any amount of silence."""
MAX_CHANNELS = 2
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 500_000
"""What recorders do; beyond it a header is damaged, or meant to harm."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a file says of itself."""

    rate_hz: int
    samples: int


def head_of(flac: bytes) -> Head:
    """Look at a file's head.

    Raises UnreadableError if it is no clip.
    """
    try:
        with sf.SoundFile(io.BytesIO(flac)) as file:
            return _checked(file)
    except (RuntimeError, ValueError, OSError) as error:  # whatever libsndfile and soundfile make of nonsense
        raise UnreadableError("not_audio", f"what came cannot be decoded: {error}") from error


def decode(flac: bytes) -> tuple[FloatArray, int]:
    """Return the first channel, shape (samples,), and its rate in Hz.

    Raises UnreadableError if it cannot be decoded.
    """
    try:
        with sf.SoundFile(io.BytesIO(flac)) as file:
            head = _checked(file)
            samples = file.read(head.samples, dtype="float32", always_2d=True)
    except (RuntimeError, ValueError, OSError) as error:
        raise UnreadableError("not_audio", f"the clip cannot be decoded: {error}") from error
    return np.ascontiguousarray(samples[:, 0]), head.rate_hz


def _checked(file: sf.SoundFile) -> Head:
    rate_hz, channels, samples = int(file.samplerate), int(file.channels), int(file.frames)
    if file.format != "FLAC" or not 1 <= channels <= MAX_CHANNELS or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise UnreadableError("not_audio", f"what came is no clip: {file.format}, {channels} channels, {rate_hz} Hz")
    if not 0 < samples <= min(MAX_S * rate_hz, MAX_VALUES / channels):
        raise UnreadableError("not_audio", f"what came is no clip: its head says {samples} samples at {rate_hz} Hz")
    return Head(rate_hz, samples)
