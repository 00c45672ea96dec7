"""Opens an audio file: identity, start time, sampling rate and length, without decoding more than its start."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timezone
from pathlib import Path

import soundfile as sf

from anura_edge.audio import Recording, is_flat
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import AudioFile, decoding_error
from anura_edge.sources.files.identity import (
    PIECE_BYTES,
    fingerprint_file,
    full_fingerprint,
    open_regular,
    unreadable_error,
)
from anura_edge.sources.files.wav import MAX_SAMPLES, LengthStatus, WavLayout, parse_wav
from anura_edge.sources.metadata.audiomoth import read_comment
from anura_edge.sources.metadata.filename import is_triggered, parse_file_name
from anura_edge.sources.metadata.guano import read_guano
from anura_edge.sources.metadata.resolve import FILE_NAME, Metadata, TimeEvidence, resolve_start
from anura_edge.sources.metadata.wamd import read_wamd

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".aif", ".aiff", ".aifc", ".ogg", ".opus", ".mp3", ".w64", ".rf64", ".au"})
PROPRIETARY_SUFFIXES = frozenset({".w4v", ".wac"})
"""Wildlife Acoustics' compressed formats: no open decoder exists."""

OTHER_FILE = "other_file"
"""Reason for a file whose name is not that of an audio file. It is skipped without a warning."""

NO_LENGTH = "its header has no length, as after a power cut: all audio in the file is used"

TRIGGERED = "a triggered recording: quiet parts may be missing, and then times after them are too early"

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 500_000
MAX_CHANNELS = 64
"""A header with other values is damaged: recorders sample at up to 500 kHz (bats), on a few channels."""

_START_S = 0.05
"""The noise of a microphone for this long is never the same twice, so a fingerprint identifies recordings that begin
with it. If the start is silent, all of the file is read for the fingerprint."""

_AUDIO_SIGNATURES = (b"RIFF", b"RF64", b"BW64", b"RIFX", b"fLaC", b"OggS", b"FORM", b"ID3", b".snd", b"riff")
_OTHER_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04", b"%PDF", b"\x1f\x8b", b"SQLi")
_SIGNATURES = _AUDIO_SIGNATURES + _OTHER_SIGNATURES
"""Formats that a file named .wav may really have. A file without any signature has lost its header."""


def open_file(path: Path, name: str, site_offset: timezone | None = None) -> AudioFile:
    """Open an audio file. `name` is its readable name; `site_offset` is the offset of local times without one.

    Raises UnreadableError with a reason if it cannot be analysed.
    """
    check_name(path)
    identity = fingerprint_file(path)
    wav, rate_hz, channels, samples = _read_header(path, identity.start)
    _check_header(path, rate_hz, channels, samples)
    evidence = _collect_evidence(path, wav.texts if wav else {})
    start = resolve_start(evidence, site_offset, identity.mtime_utc)
    warnings = list(start.warnings)
    if samples is None or (wav and wav.length == LengthStatus.RECOVERED):
        warnings.append(NO_LENGTH)
    if is_triggered(path.stem):
        warnings.append(TRIGGERED)
    recording = Recording(
        identity.fingerprint, name, start.start_utc, start.clock_source, rate_hz, channels, samples, tuple(warnings)
    )
    metadata = Metadata.merge(each.metadata for each in evidence.values())
    file = AudioFile(path, identity, recording, wav, metadata)
    if _begins_with_silence(file):
        content_id = full_fingerprint(path, file.blocks(_START_S), evidence[FILE_NAME].start)
        file.recording = replace(recording, id=content_id)
    return file


def check_name(path: Path) -> None:
    """Raise UnreadableError with a reason if the name shows that the file cannot be analysed."""
    suffix = path.suffix.lower()
    if suffix in PROPRIETARY_SUFFIXES:
        raise UnreadableError("proprietary", f"{path}: convert {suffix} files to .wav with Kaleidoscope first")
    if suffix not in AUDIO_SUFFIXES:
        raise UnreadableError(OTHER_FILE, f"{path}: {suffix or 'a name without a suffix'} is not an audio format")


def is_unchanged(file: AudioFile) -> bool:
    """Return whether a file can still be read and has the same content as when it was opened."""
    try:
        return fingerprint_file(file.path).fingerprint == file.identity.fingerprint
    except UnreadableError:
        return False


def is_complete(path: Path) -> bool:
    """Return whether a file is as long as its header declares, as far as known without decoding it.

    A file without audio counts as complete: waiting would not change it.
    """
    try:
        return open_file(path, path.name).length == LengthStatus.WHOLE
    except UnreadableError as error:
        return error.reason in (OTHER_FILE, "proprietary", "not_a_file")


def _collect_evidence(path: Path, texts: Mapping[bytes, bytes]) -> dict[str, TimeEvidence]:
    return {
        FILE_NAME: parse_file_name(path.stem),
        "GUANO": read_guano(texts.get(b"guan", b"")),
        "wamd": read_wamd(texts.get(b"wamd", b"")),
        "comment": read_comment(texts.get(b"LIST", b"")),
    }


def _begins_with_silence(file: AudioFile) -> bool:
    with suppress(UnreadableError):  # damage is reported when the file is analysed
        return is_flat(file.read_start(_START_S))
    return False


def _read_header(path: Path, start: bytes) -> tuple[WavLayout | None, int, int, int | None]:
    """Return the layout of a WAV file, and any file's sampling rate, channels and declared samples."""
    wav = _find_wav(path)
    if wav and wav.is_plain:
        return wav, wav.rate_hz, wav.channels, wav.declared
    rate_hz, channels, samples = _read_soundfile_header(path, start)
    if wav and samples is not None:
        wav = wav.with_samples(samples)
        samples = wav.declared
    return wav, rate_hz, channels, samples


def _find_wav(path: Path) -> WavLayout | None:
    try:
        with open_regular(path) as file:
            return parse_wav(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise unreadable_error(path, error) from error
    except UnreadableError as error:
        raise UnreadableError(error.reason, f"{path}: {error}") from error


def _read_soundfile_header(path: Path, start: bytes) -> tuple[int, int, int | None]:
    """Return sampling rate, channels and samples. libsndfile returns 2**63 - 1 samples for a FLAC without a length."""
    try:
        with open_regular(path) as content, sf.SoundFile(content.fileno(), closefd=False) as file:
            rate_hz, channels, samples = file.samplerate, file.channels, file.frames
    except OSError as error:
        raise unreadable_error(path, error) from error
    except (sf.SoundFileError, RuntimeError) as error:
        if path.suffix.lower() == ".wav" and len(start) == PIECE_BYTES and not start.startswith(_SIGNATURES):
            problem = "bytes without a header; some recorders leave files that contain only noise"
            raise UnreadableError("no_header", f"{path}: {problem}") from error
        raise decoding_error(path, "not_audio", error) from error
    return rate_hz, channels, samples if samples <= MAX_SAMPLES else None


def _check_header(path: Path, rate_hz: int, channels: int, samples: int | None) -> None:
    if samples == 0:
        raise UnreadableError("no_samples", f"{path}: its header declares no audio")
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise UnreadableError("bad_rate", f"{path}: {rate_hz} Hz is not between {MIN_RATE_HZ} and {MAX_RATE_HZ}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise UnreadableError("bad_channels", f"{path}: {channels} channels are not between 1 and {MAX_CHANNELS}")
