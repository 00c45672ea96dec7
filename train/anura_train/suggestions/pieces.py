"""Reads recordings without labels in pieces that a person can label in a minute."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from scipy.special import expit

from anura_edge.audio import AudioChunk, FloatArray, loudest_channel
from anura_edge.errors import SourceError
from anura_train.models import Net
from anura_train.models.last_layer import predict_with_embedding
from anura_train.suggestions.ranking import rank, uncertainty

PIECE_S = 15
MIN_PIECE_S = 3
"""The end of a recording is a piece if it is at least so long."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of a recording, and what a model makes of it."""

    path: Path
    start_s: int
    stop_s: float
    probabilities: FloatArray
    """The highest of each label, (labels,)."""
    doubt: float
    """The highest uncertainty of a frame, 0 to 1."""
    embedding: FloatArray
    """Shape (dimensions,)."""


def score_pieces(path: Path, model: Net) -> Iterator[Piece]:
    """Yield the pieces of a recording with the scores of a model. SourceError if it cannot be decoded."""
    for start_s, rate_hz, samples in read_pieces(path):
        channel = samples[:, loudest_channel(AudioChunk(samples, 0))]
        audio = channel if rate_hz == model.rate_hz else soxr.resample(channel, rate_hz, model.rate_hz)
        logits, embedding = predict_with_embedding(model, np.ascontiguousarray(audio, np.float32))
        probabilities = expit(logits)
        stop_s = start_s + len(samples) / rate_hz
        doubt = float(uncertainty(probabilities).max())
        yield Piece(path, start_s, stop_s, probabilities.max(0), doubt, embedding)


def read_pieces(path: Path) -> Iterator[tuple[int, int, FloatArray]]:
    """Yield start in seconds, sampling rate in Hz and samples (samples, channels) of each piece.

    A recording of any length fits into memory. SourceError if it cannot be decoded.
    """
    try:
        with soundfile.SoundFile(path) as file:
            blocks = file.blocks(PIECE_S * file.samplerate, dtype="float32", always_2d=True)
            for number, samples in enumerate(blocks):
                if len(samples) >= MIN_PIECE_S * file.samplerate:
                    yield number * PIECE_S, int(file.samplerate), samples
    except (soundfile.LibsndfileError, OSError) as error:
        raise SourceError(f"cannot decode {path}: {error}; copy it again or delete it") from error


def write_clip(piece: Piece, path: Path) -> None:
    """Write the audio of a piece as FLAC, all channels at the recording's own rate."""
    with soundfile.SoundFile(piece.path) as file:
        file.seek(piece.start_s * file.samplerate)
        samples = file.read(PIECE_S * file.samplerate, dtype="int16")
        soundfile.write(path, samples, file.samplerate, format="FLAC", subtype="PCM_16")


def suggest(pieces: Sequence[Piece], count: int) -> list[Piece]:
    """Return up to `count` pieces that a person should label, the most useful first."""
    if not pieces:
        return []
    doubt = np.array([each.doubt for each in pieces], np.float32)
    return [pieces[number] for number in rank(doubt, np.stack([each.embedding for each in pieces]), count)]
