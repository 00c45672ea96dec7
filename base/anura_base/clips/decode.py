"""Read and decode the FLAC file of a clip. Its length is limited, because a device may send any file."""

import io
from dataclasses import dataclass

import numpy as np
import soundfile as sf

from anura_edge.audio import FloatArray
from anura_edge.errors import UnreadableError

MAX_S = 120.0
MAX_VALUES = 2**24
"""67 MB of memory. A few kilobytes of FLAC can contain hours of silence."""
MAX_CHANNELS = 2
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 500_000
"""The range of recorders. A header with another rate is damaged or hostile."""


@dataclass(frozen=True, slots=True)
class FlacHeader:
    """The relevant fields of a file's header."""

    rate_hz: int
    samples: int


def read_header(flac: bytes) -> FlacHeader:
    """Return the header of a file.

    Raises UnreadableError if the file is not a valid clip.
    """
    try:
        with sf.SoundFile(io.BytesIO(flac)) as file:
            return _check_header(file)
    except (RuntimeError, ValueError, OSError) as error:  # libsndfile and soundfile raise these for invalid files
        raise UnreadableError("not_audio", f"the file cannot be decoded: {error}") from error


def decode(flac: bytes) -> tuple[FloatArray, int]:
    """Return the first channel, shape (samples,), float32, and its rate in Hz.

    Raises UnreadableError if the file cannot be decoded.
    """
    try:
        with sf.SoundFile(io.BytesIO(flac)) as file:
            header = _check_header(file)
            samples = file.read(header.samples, dtype="float32", always_2d=True)
    except (RuntimeError, ValueError, OSError) as error:
        raise UnreadableError("not_audio", f"the clip cannot be decoded: {error}") from error
    return np.ascontiguousarray(samples[:, 0]), header.rate_hz


def _check_header(file: sf.SoundFile) -> FlacHeader:
    rate_hz, channels, samples = int(file.samplerate), int(file.channels), int(file.frames)
    if file.format != "FLAC" or not 1 <= channels <= MAX_CHANNELS or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise UnreadableError("not_audio", f"the file is not a clip: {file.format}, {channels} channels, {rate_hz} Hz")
    if not 0 < samples <= min(MAX_S * rate_hz, MAX_VALUES / channels):
        raise UnreadableError("not_audio", f"the file is not a clip: its header has {samples} samples at {rate_hz} Hz")
    return FlacHeader(rate_hz, samples)
