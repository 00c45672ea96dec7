"""Reads recordings from audio files."""

import hashlib
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timezone
from pathlib import Path

import soundfile as sf

from anura_edge.audio import AudioChunk, ClockSource, Recording
from anura_edge.errors import UnreadableError
from anura_edge.sources.names import NamedTime, time_in_name

CHUNK_S = 10.0
"""Read this much at a time: 7 MB for two channels at 96 kHz."""

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".aif", ".aiff", ".aifc", ".ogg", ".opus", ".mp3", ".w64", ".rf64", ".au"})
PROPRIETARY_SUFFIXES = frozenset({".w4v", ".wac"})
"""Wildlife Acoustics' compressed formats: no open decoder exists."""

OTHER_FILE = "other_file"
"""The reason given to a file that does not claim to be audio: noted, but nothing to warn about."""

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 500_000
MAX_CHANNELS = 64
"""Beyond these a header is damaged: recorders sample up to 500 kHz (bats), on up to a few channels."""

MAX_SAMPLES = 2**36
"""FLAC's own limit, 38 hours at 500 kHz. libsndfile promises 2**63 - 1 where a header does not know its length."""

_PIECES, _PIECE = 64, 4_096
"""A fingerprint looks at this many pieces of a file, so at all of it up to 256 KiB. Recordings with one header and
silence at both ends do exist, so the ends alone do not tell them apart."""


class FileSound:
    """An audio file that can be heard."""

    def __init__(self, path: Path, recording: Recording) -> None:
        self.path = path
        self.recording = recording

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield the audio in order.

        Raises UnreadableError where decoding breaks off.
        """
        try:
            with sf.SoundFile(os.fsencode(self.path)) as file:  # soundfile wants str in UTF-8
                first_sample = 0
                while len(block := file.read(int(CHUNK_S * file.samplerate), dtype="float32", always_2d=True)):
                    yield AudioChunk(block, first_sample)
                    first_sample += len(block)
                if first_sample < file.frames:
                    raise UnreadableError("truncated", f"{self.path}: ends at sample {first_sample} of {file.frames}")
        except (sf.SoundFileError, OSError, RuntimeError) as error:
            raise UnreadableError("broken_off", f"{self.path}: {error}") from error


def open_file(path: Path, name: str, zone: timezone | None = None) -> FileSound:
    """Look at a file: identity, time, rate and length, without decoding its audio.

    Raises UnreadableError with a reason if there is nothing to analyse in it.
    """
    suffix = path.suffix.lower()
    if suffix in PROPRIETARY_SUFFIXES:
        raise UnreadableError("proprietary", f"{path}: convert {suffix} files to .wav with Kaleidoscope first")
    if suffix not in AUDIO_SUFFIXES:
        raise UnreadableError(OTHER_FILE, f"{path}: {suffix or 'a name without a suffix'} is not an audio format")
    fingerprint, mtime = _identify(path)
    info = _header(path)
    named = time_in_name(path.stem, zone) or NamedTime(mtime, ClockSource.FILE)
    rate_hz, channels, samples = info.samplerate, info.channels, info.frames
    return FileSound(
        path, Recording(fingerprint, name, named.start_utc, named.clock_source, rate_hz, channels, samples)
    )


def is_same(sound: FileSound) -> bool:
    """Say whether a file still holds what it held when it was opened: nobody wrote to it, and the card is still in."""
    try:
        return _identify(sound.path)[0] == sound.recording.id
    except UnreadableError:
        return False


def _identify(path: Path) -> tuple[str, datetime]:
    """Return BLAKE2b over size and evenly spread pieces, so that a copy or a new name is the same recording."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):  # a link is not followed, a writer at a pipe not waited for
            raise UnreadableError("not_a_file", f"{path}: not a regular file")
        digest = hashlib.blake2b(status.st_size.to_bytes(8, "little"), digest_size=16)
        with path.open("rb") as file:
            head = file.read(_PIECE)
            for piece in range(_PIECES):
                file.seek(max(0, status.st_size - _PIECE) * piece // (_PIECES - 1))
                digest.update(file.read(_PIECE))
    except OSError as error:
        raise UnreadableError(
            "cannot_open", f"{path}: {error.strerror}; look at its name, and whether the card is in"
        ) from error
    if not status.st_size:
        raise UnreadableError("empty", f"{path}: 0 bytes; recorders leave such files when their battery is low")
    if not any(head):
        raise UnreadableError("nul_filled", f"{path}: begins with {len(head)} zero bytes in place of a header")
    return digest.hexdigest(), datetime.fromtimestamp(status.st_mtime, UTC)


def _header(path: Path) -> sf._SoundFileInfo:
    try:
        info = sf.info(os.fsencode(path))
    except (sf.SoundFileError, OSError, RuntimeError) as error:
        raise UnreadableError("not_audio", f"{path}: {error}") from error
    if not info.frames:
        raise UnreadableError("no_samples", f"{path}: its header promises no audio")
    if info.frames > MAX_SAMPLES:
        raise UnreadableError("no_length", f"{path}: its header does not say how long it is; rewrite it with ffmpeg")
    if not MIN_RATE_HZ <= info.samplerate <= MAX_RATE_HZ:
        raise UnreadableError(
            "bad_rate", f"{path}: {info.samplerate} Hz is not between {MIN_RATE_HZ} and {MAX_RATE_HZ}"
        )
    if info.channels > MAX_CHANNELS:
        raise UnreadableError("bad_channels", f"{path}: {info.channels} channels, more than {MAX_CHANNELS}")
    return info
