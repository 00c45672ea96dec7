"""Reads recordings from audio files."""

import logging
import os
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timezone
from pathlib import Path

import numpy as np
import soundfile as sf

from anura_edge.audio import AudioChunk, FloatArray, Recording, SampleArray, is_flat, to_float
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.identity import (
    INTERRUPTED,
    PIECE,
    FileIdentity,
    fingerprint_file,
    full_fingerprint,
    open_regular,
    unreadable_error,
)
from anura_edge.sources.files.wav import MAX_SAMPLES, LengthStatus, WavLayout, parse_wav, read_samples
from anura_edge.sources.metadata.audiomoth import read_comment
from anura_edge.sources.metadata.filename import is_triggered, parse_file_name
from anura_edge.sources.metadata.guano import read_guano
from anura_edge.sources.metadata.resolve import FILE_NAME, Metadata, resolve_start
from anura_edge.sources.metadata.wamd import read_wamd

log = logging.getLogger(__name__)

CHUNK_S = 10.0
MAX_CHUNK_VALUES = 2**22
"""Read this much at a time: 8 MB for two channels at 96 kHz, never more than 17 MB, whatever a header says."""

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".aif", ".aiff", ".aifc", ".ogg", ".opus", ".mp3", ".w64", ".rf64", ".au"})
PROPRIETARY_SUFFIXES = frozenset({".w4v", ".wac"})
"""Wildlife Acoustics' compressed formats: no open decoder exists."""

NO_LENGTH = "its header gives no length, as after a power cut: all that is in the file is taken"

TRIGGERED = "a triggered recording: quiet stretches may be left out, and then times inside it are too early"

OTHER_FILE = "other_file"
"""The reason given to a file that does not claim to be audio: passed over without a warning."""

_SF_ERR_SYSTEM = 2
"""libsndfile's code for an error of the operating system, in place of one of the format."""

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 500_000
MAX_CHANNELS = 64
"""Beyond these a header is damaged: recorders sample up to 500 kHz (bats), on up to a few channels."""

_QUIET_S = 0.05
"""The microphone's noise of so long never comes twice, so a fingerprint tells recordings apart that begin with it. It
may not where a recording begins with less than noise, with one value."""

_AUDIO_SIGNATURES = (b"RIFF", b"RF64", b"BW64", b"RIFX", b"fLaC", b"OggS", b"FORM", b"ID3", b".snd", b"riff")
_OTHER_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04", b"%PDF", b"\x1f\x8b", b"SQLi")
_SIGNATURES = _AUDIO_SIGNATURES + _OTHER_SIGNATURES
"""Formats that a file named .wav may really be; a file that has no signature at all has lost its header."""


class AudioFile:
    """An audio file that can be heard."""

    def __init__(
        self, path: Path, content: FileIdentity, recording: Recording, wave: WavLayout | None, metadata: Metadata
    ) -> None:
        self.path = path
        self.content = content
        """As it was when it was opened."""
        self.recording = recording
        self.metadata = metadata
        """What the recorder wrote beside the audio."""
        self._wave = wave

    @property
    def has_content_id(self) -> bool:
        """Its content alone tells it from any other; else its id is not its content's fingerprint."""
        return self.recording.id == self.content.fingerprint

    @property
    def length(self) -> LengthStatus:
        """What became of the length that its header gives."""
        if self._wave:
            return self._wave.length
        return LengthStatus.RECOVERED if self.recording.samples is None else LengthStatus.WHOLE

    @property
    def samples(self) -> int:
        """Samples per channel that are in the file, as far as can be known without decoding them; else 0."""
        return self._wave.samples if self._wave else self.recording.samples or 0

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield the audio in order, after telling the log what is odd about it.

        Raises UnreadableError where decoding breaks off.
        """
        for warning in self.recording.warnings:
            log.warning("%s: %s", self.path, warning)
        first_sample = 0
        for block in self._as_stored(CHUNK_S):
            yield AudioChunk(block, first_sample)
            first_sample += len(block)
        if first_sample < (promised := self.recording.samples or 0):
            raise UnreadableError("truncated", f"{self.path}: ends at sample {first_sample} of {promised}")

    def read_start(self, seconds: float) -> FloatArray:
        """Return the first seconds, or less: shape (samples, channels).

        Raises UnreadableError if they cannot be decoded.
        """
        with closing(self.blocks(seconds)) as blocks:
            return next(blocks, np.zeros((0, self.recording.channels), np.float32))

    def blocks(self, seconds: float = CHUNK_S) -> Generator[FloatArray]:
        """Yield its samples in order: shape (samples, channels), full scale is -1.0 to 1.0.

        Raises UnreadableError where decoding breaks off.
        """
        with closing(self._as_stored(seconds)) as blocks:
            yield from map(to_float, blocks)

    def _as_stored(self, seconds: float) -> Generator[SampleArray]:
        size = min(int(seconds * self.recording.rate_hz), MAX_CHUNK_VALUES // self.recording.channels)
        try:
            with open_regular(self.path) as content:
                if self._wave and self._wave.is_plain:
                    yield from read_samples(content, self._wave, size)
                else:
                    with _SequentialSoundFile(content.fileno(), closefd=False) as file:
                        kind = "int16" if file.subtype == "PCM_16" else "float32"
                        while len(block := file.read(size, dtype=kind, always_2d=True)):
                            yield block
        except OSError as error:
            raise unreadable_error(self.path, error) from error
        except (sf.SoundFileError, RuntimeError) as error:
            raise _libsndfile_says(self.path, "broken_off", error) from error


class _SequentialSoundFile(sf.SoundFile):  # type: ignore[misc]
    """Is never asked to seek: soundfile does so after each block, which fails in a FLAC of unknown length."""

    def seekable(self) -> bool:
        return False


def check_name(path: Path) -> None:
    """Raise UnreadableError, with a reason, for a file whose name alone says that there is nothing to analyse in it."""
    suffix = path.suffix.lower()
    if suffix in PROPRIETARY_SUFFIXES:
        raise UnreadableError("proprietary", f"{path}: convert {suffix} files to .wav with Kaleidoscope first")
    if suffix not in AUDIO_SUFFIXES:
        raise UnreadableError(OTHER_FILE, f"{path}: {suffix or 'a name without a suffix'} is not an audio format")


def open_file(path: Path, name: str, zone: timezone | None = None) -> AudioFile:
    """Look at a file: identity, time, rate and length, without decoding more of its audio than how it begins.

    Raises UnreadableError with a reason if there is nothing to analyse in it.
    """
    check_name(path)
    content = fingerprint_file(path)
    wave, rate_hz, channels, samples = _find_audio(path, content.begin)
    _check(path, rate_hz, channels, samples)
    texts = wave.texts if wave else {}
    said = {
        FILE_NAME: parse_file_name(path.stem),
        "GUANO": read_guano(texts.get(b"guan", b"")),
        "wamd": read_wamd(texts.get(b"wamd", b"")),
        "comment": read_comment(texts.get(b"LIST", b"")),
    }
    clock = resolve_start(said, zone, content.mtime_utc)
    warnings = list(clock.warnings)
    if samples is None or (wave and wave.length == LengthStatus.RECOVERED):
        warnings.append(NO_LENGTH)
    if is_triggered(path.stem):
        warnings.append(TRIGGERED)
    recording = Recording(
        content.fingerprint, name, clock.start_utc, clock.clock_source, rate_hz, channels, samples, tuple(warnings)
    )
    about = Metadata.of(witness.about for witness in said.values())
    sound = AudioFile(path, content, recording, wave, about)
    if _begins_quietly(sound):
        sound.recording = replace(recording, id=full_fingerprint(path, sound.blocks(_QUIET_S), said[FILE_NAME].start))
    return sound


def is_unchanged(sound: AudioFile) -> bool:
    """Say whether a file still holds what it held when it was opened: nobody wrote to it, and the card is still in."""
    try:
        return fingerprint_file(sound.path).fingerprint == sound.content.fingerprint
    except UnreadableError:
        return False


def is_complete(path: Path) -> bool:
    """Say whether a file holds what its header promises, as far as can be known without decoding it.

    What is no audio is finished, too: nothing would come of waiting.
    """
    try:
        return open_file(path, path.name).length == LengthStatus.WHOLE
    except UnreadableError as error:
        return error.reason in (OTHER_FILE, "proprietary", "not_a_file")


def _begins_quietly(sound: AudioFile) -> bool:
    with suppress(UnreadableError):  # damage says so when it is heard
        return is_flat(sound.read_start(_QUIET_S))
    return False


def _find_audio(path: Path, head: bytes) -> tuple[WavLayout | None, int, int, int | None]:
    """Return where a WAV's samples lie, and any file's rate, channels and promised samples."""
    wave = _find_wave(path)
    if wave and wave.is_plain:
        return wave, wave.rate_hz, wave.channels, wave.promised
    rate_hz, channels, samples = _header(path, head)
    if wave and samples is not None:
        wave = wave.with_samples(samples)
        samples = wave.promised
    return wave, rate_hz, channels, samples


def _find_wave(path: Path) -> WavLayout | None:
    try:
        with open_regular(path) as file:
            return parse_wav(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise unreadable_error(path, error) from error
    except UnreadableError as error:
        raise UnreadableError(error.reason, f"{path}: {error}") from error


def _header(path: Path, head: bytes) -> tuple[int, int, int | None]:
    """Return rate, channels and samples as libsndfile sees them, which says 2**63 - 1 where a FLAC gives no length."""
    try:
        with open_regular(path) as content, sf.SoundFile(content.fileno(), closefd=False) as file:
            rate_hz, channels, samples = file.samplerate, file.channels, file.frames
    except OSError as error:
        raise unreadable_error(path, error) from error
    except (sf.SoundFileError, RuntimeError) as error:
        if path.suffix.lower() == ".wav" and len(head) == PIECE and not head.startswith(_SIGNATURES):
            lost = "bytes without a header; some recorders leave nothing but noise in such files"
            raise UnreadableError("no_header", f"{path}: {lost}") from error
        raise _libsndfile_says(path, "not_audio", error) from error
    return rate_hz, channels, samples if samples <= MAX_SAMPLES else None


def _libsndfile_says(path: Path, verdict: str, error: Exception) -> UnreadableError:
    if isinstance(error, sf.LibsndfileError):
        reason = INTERRUPTED if error.code == _SF_ERR_SYSTEM else verdict
        return UnreadableError(reason, f"{path}: {error.error_string}")
    return UnreadableError(verdict, f"{path}: {error}")


def _check(path: Path, rate_hz: int, channels: int, samples: int | None) -> None:
    if samples == 0:
        raise UnreadableError("no_samples", f"{path}: its header promises no audio")
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise UnreadableError("bad_rate", f"{path}: {rate_hz} Hz is not between {MIN_RATE_HZ} and {MAX_RATE_HZ}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise UnreadableError("bad_channels", f"{path}: {channels} channels are not between 1 and {MAX_CHANNELS}")
