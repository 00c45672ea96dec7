"""Decoding of recordings."""

import numpy as np
import soundfile
import soxr

from anura_edge.audio import AudioChunk, FloatArray, loudest_channel
from anura_edge.errors import SourceError
from anura_train.data.corpus import Recording

FILE_RATE_HZ = 22_050
"""Sampling rate of the files that the data tools write; AnuraSet has the same."""


def load_audio(recording: Recording, rate_hz: int) -> FloatArray:
    """Return a recording as mono float32, (samples,), at a sampling rate; SourceError when it cannot be decoded."""
    samples, original_hz = decode_audio(recording)
    mono = samples[:, loudest_channel(AudioChunk(samples, 0))]
    return np.asarray(soxr.resample(mono, original_hz, rate_hz) if original_hz != rate_hz else mono, np.float32)


def decode_audio(recording: Recording) -> tuple[FloatArray, int]:
    """Return a recording's samples, (samples, channels), and its own rate; SourceError when it cannot be decoded."""
    try:
        samples, rate_hz = soundfile.read(recording.path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise SourceError(f"cannot decode {recording.path}: {error}; copy it again or delete its row") from error
    if len(samples) == 0:
        raise SourceError(f"{recording.path} has no samples; delete its row")
    return samples, int(rate_hz)
