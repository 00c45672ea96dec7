"""Reads the audio of a file that was opened with `open_file`."""

import io
import logging
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile as sf

from anura_edge.audio import AudioChunk, FloatArray, Recording, SampleArray, to_float
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.former_identity import FormerIdentity, former_identity
from anura_edge.sources.files.identity import AudioIdentity, identify
from anura_edge.sources.files.regular_file import INTERRUPTED, open_regular, unreadable_error
from anura_edge.sources.formats.extent import LengthStatus
from anura_edge.sources.formats.layout import AudioLayout, read_samples
from anura_edge.sources.formats.repaired_file import RepairedFile
from anura_edge.sources.metadata.filename import parse_file_name
from anura_edge.sources.metadata.resolve import Metadata

log = logging.getLogger(__name__)

CHUNK_S = 10.0
MAX_CHUNK_VALUES = 2**22
"""Values read at a time: 8 MB for two channels at 96 kHz, never more than 17 MB for any header."""

_SIGNAL_BLOCK_S = 0.1
"""Compressed audio is searched for a signal in blocks of this length."""

_SMALL_BLOCK_S = 0.02
"""Before damage, compressed audio is read in blocks of this length: a block in which decoding fails is lost."""

_SPLIT = "write it into a file of its own to have it analysed"

_SF_ERR_SYSTEM = 2
"""libsndfile's code for an error of the operating system instead of the format."""


class AudioFile:
    """An audio file that can be analysed."""

    def __init__(
        self,
        path: Path,
        file_bytes: int,
        recording: Recording,
        layout: AudioLayout,
        metadata: Metadata,
        named_start: datetime | None,
    ) -> None:
        """Give `recording` its id. `named_start` is the time in the name, or else in the header.

        Raises UnreadableError if the file cannot be read.
        """
        self.path = path
        self.file_bytes = file_bytes
        """Its size when it was opened."""
        self.recording = recording
        self.metadata = metadata
        """What the recorder wrote in addition to the audio."""
        self._layout, self._named_start = layout, named_start
        self.identity = self.identify()
        """What identified its audio when it was opened."""
        self.recording = replace(recording, id=self.identity.id)

    @property
    def length(self) -> LengthStatus:
        """How the length in its header compares with the file."""
        return LengthStatus.RECOVERED if self.recording.samples is None else self._layout.length

    @property
    def is_finished(self) -> bool:
        """Whether the header has a length, and all of that is in the file. Else it may still be written."""
        return self._layout.extent.has_length and self.length != LengthStatus.TRUNCATED

    @property
    def samples(self) -> int:
        """Samples per channel in the file, as far as known without decoding them; else 0."""
        return self._layout.samples

    def identify(self) -> AudioIdentity:
        """Return what identifies the audio that is in the file now.

        Raises UnreadableError if the file cannot be read.
        """
        return identify(self.path, self._layout, self._named_start, lambda: self.blocks(_SIGNAL_BLOCK_S))

    def former_identity(self) -> FormerIdentity:
        """Return the identity that earlier versions gave the file.

        Raises UnreadableError if the file cannot be read.
        """
        return former_identity(self.path, self._layout, parse_file_name(self.path.stem).start, self.blocks)

    def chunks(self) -> Iterator[AudioChunk]:
        """Log the warnings of the recording, then yield the audio in order.

        Raises UnreadableError where decoding fails.
        """
        for warning in self.recording.warnings:
            log.warning("%s: %s", self.path, warning)
        first_sample = 0
        for block in self._stored_blocks(CHUNK_S):
            yield AudioChunk(block, first_sample)
            first_sample += len(block)
        if self._layout.gap_at is not None:
            problem = f"audio is damaged or missing after sample {first_sample}; what follows has no known time"
            raise UnreadableError("broken_off", f"{self.path}: {problem}")
        if self._layout.has_further_audio:
            problem = f"a second piece of audio follows after sample {first_sample}; {_SPLIT}"
            raise UnreadableError("further_audio", f"{self.path}: {problem}")
        if first_sample < (declared := self.recording.samples or 0):
            raise UnreadableError("truncated", f"{self.path}: ends at sample {first_sample} of {declared}")

    def read_start(self, seconds: float) -> FloatArray:
        """Return up to `seconds` of audio from the start: shape (samples, channels).

        Raises UnreadableError if it cannot be decoded.
        """
        with closing(self.blocks(seconds)) as blocks:
            return next(blocks, np.zeros((0, self.recording.channels), np.float32))

    def blocks(self, seconds: float = CHUNK_S) -> Generator[FloatArray]:
        """Yield the samples in order: shape (samples, channels), full scale is -1.0 to 1.0.

        Raises UnreadableError where decoding fails.
        """
        with closing(self._stored_blocks(seconds)) as blocks:
            yield from map(to_float, blocks)

    def _stored_blocks(self, seconds: float) -> Generator[SampleArray]:
        """Yield the samples in the data type of the file."""
        size = min(int(seconds * self.recording.rate_hz), MAX_CHUNK_VALUES // self.recording.channels)
        try:
            with open_regular(self.path) as content:
                if self._layout.is_plain:
                    yield from read_samples(content, self._layout, size)
                else:
                    yield from _decode(content, self._layout, size, int(_SMALL_BLOCK_S * self.recording.rate_hz))
        except OSError as error:
            raise unreadable_error(self.path, error) from error
        except (sf.SoundFileError, RuntimeError) as error:
            raise decoding_error(self.path, "broken_off", error) from error


def _decode(content: BinaryIO, layout: AudioLayout, size: int, small: int) -> Generator[SampleArray]:
    """Yield decoded samples, `size` at a time, and `small` where decoding will fail.

    Raises soundfile.SoundFileError where decoding fails.
    """
    decoded = 0
    try:
        for block in _read_blocks(content, layout, size):
            yield block
            decoded += len(block)
    except (sf.SoundFileError, RuntimeError):
        if size <= small:
            raise
        for block in _read_blocks(content, layout, small):
            decoded -= len(block)
            if decoded < 0:
                yield block[decoded:]


def _read_blocks(content: BinaryIO, layout: AudioLayout, size: int) -> Iterator[SampleArray]:
    content.seek(0)
    with open_decoder(content, layout) as file:
        kind = "int16" if file.subtype == "PCM_16" else "float32"
        while len(block := file.read(size, dtype=kind, always_2d=True)):
            yield block


class _SequentialSoundFile(sf.SoundFile):  # type: ignore[misc]
    """Never seeks: soundfile seeks after each block, which fails in a FLAC file without a length."""

    def seekable(self) -> bool:
        return False


@contextmanager
def open_decoder(content: BinaryIO, layout: AudioLayout) -> Iterator[sf.SoundFile]:
    """Open an encoding that libsndfile decodes, behind a header with a true length if its own is wrong, up to a gap.

    Raises soundfile.SoundFileError if libsndfile cannot decode it.
    """
    if layout.repaired_header or layout.gap_at is not None:
        repaired = io.BufferedReader(RepairedFile(content, layout))
        with _SequentialSoundFile(repaired) as file:
            yield file
    else:
        with _SequentialSoundFile(content.fileno(), closefd=False) as file:
            yield file


def decoding_error(path: Path, reason: str, error: Exception) -> UnreadableError:
    """Return the error for an exception of soundfile. `reason` is replaced if the operating system is the cause."""
    if isinstance(error, sf.LibsndfileError):
        reason = INTERRUPTED if error.code == _SF_ERR_SYSTEM else reason
        return UnreadableError(reason, f"{path}: {error.error_string}")
    return UnreadableError(reason, f"{path}: {error}")
