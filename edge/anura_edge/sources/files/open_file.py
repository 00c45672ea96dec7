"""Opens an audio file: identity, start time, sampling rate and length, without decoding more than its start."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timezone
from pathlib import Path

import soundfile as sf

from anura_edge.audio import Recording
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import AudioFile, decoding_error, open_decoder
from anura_edge.sources.files.find_audio import find_audio
from anura_edge.sources.files.identity import PIECE_BYTES
from anura_edge.sources.files.regular_file import open_regular, unreadable_error
from anura_edge.sources.formats.containers import has_sound_alone
from anura_edge.sources.formats.extent import LengthStatus
from anura_edge.sources.formats.kinds import (
    AUDIO_SUFFIXES,
    CONVERTIBLE_SUFFIXES,
    PROPRIETARY_SUFFIXES,
    has_signature,
    is_audio,
    is_convertible,
)
from anura_edge.sources.formats.layout import MAX_SAMPLES, AudioLayout, whole_file
from anura_edge.sources.metadata.audiomoth import read_comment
from anura_edge.sources.metadata.bext import read_bext
from anura_edge.sources.metadata.filename import is_triggered, parse_file_name
from anura_edge.sources.metadata.guano import read_guano
from anura_edge.sources.metadata.resolve import FILE_NAME, Metadata, TimeEvidence, doubt_future, resolve_start
from anura_edge.sources.metadata.wamd import read_wamd

OTHER_FILE = "other_file"
"""Reason for a file that is not audio, by its content and its name. It is skipped without a warning."""

NO_LENGTH = "its header has no length, or a wrong one, as after a power cut: all audio in the file is used"

TRIGGERED = "a triggered recording: quiet parts may be missing, and then times after them are too early"

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 500_000
MAX_TIME_EXPANSION = 32
MAX_CHANNELS = 64
"""A header with other values is damaged: recorders sample at up to 500 kHz (bats), on a few channels."""

_TO_WAV = "convert it to WAV first, for example with: ffmpeg -i INPUT OUTPUT.wav"


@dataclass(frozen=True, slots=True)
class _FileStart:
    """The start of a file, and what the file system says about it."""

    content: bytes
    """The first PIECE_BYTES bytes."""
    file_bytes: int
    mtime_s: float


def open_file(path: Path, name: str, site_offset: timezone | None = None) -> AudioFile:
    """Open an audio file. `name` is its readable name; `site_offset` is the offset of local times without one.

    Raises UnreadableError with a reason if it cannot be analysed.
    """
    check_kind(path)
    start = _read_start(path)
    _check_content(path, start)
    layout, samples = _complete(path, find_audio(path), start)
    evidence = _collect_evidence(path, layout.texts)
    metadata = Metadata.merge(each.metadata for each in evidence.values())
    rate_hz = _recorded_rate_hz(layout.rate_hz, metadata.time_expansion)
    _check_header(path, rate_hz, layout.channels, samples)
    # A recorder sets the time of a file when it closes it.
    resolved = resolve_start(evidence, site_offset, file_time(start.mtime_s - layout.samples // rate_hz))
    resolved = doubt_future(resolved, datetime.now(UTC))
    warnings = [*resolved.warnings, *_warnings(path, layout, samples, rate_hz)]
    recording = Recording(
        "", name, resolved.start_utc, resolved.clock_source, rate_hz, layout.channels, samples, tuple(warnings)
    )
    named_start = next((each.start for each in evidence.values() if each.start), None)
    return AudioFile(path, start.file_bytes, recording, layout, metadata, named_start)


def check_kind(path: Path) -> None:
    """Raise UnreadableError with a reason if a file is not audio, or audio that must be converted first.

    A file whose name is that of an audio file is not opened for this.
    """
    suffix = path.suffix.lower()
    if suffix in PROPRIETARY_SUFFIXES:
        raise UnreadableError("proprietary", f"{path}: convert {suffix} files to .wav with Kaleidoscope first")
    if suffix in AUDIO_SUFFIXES:
        return
    content = _read_start(path).content
    if suffix in CONVERTIBLE_SUFFIXES or is_convertible(content):
        raise UnreadableError("unsupported", f"{path}: this kind of audio cannot be decoded; {_TO_WAV}")
    if not is_audio(content) and _contains_sound_alone(path):
        raise UnreadableError("unsupported", f"{path}: this kind of audio cannot be decoded; {_TO_WAV}")
    if not is_audio(content):
        raise UnreadableError(OTHER_FILE, f"{path}: it is not audio by its content and its name")


def _contains_sound_alone(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return has_sound_alone(file)
    except OSError as error:
        raise unreadable_error(path, error) from error


def file_time(seconds: float) -> datetime | None:
    """Return the time of a file in UTC. None if it is before the year 1 or after 9999, as on a damaged card."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def is_unchanged(file: AudioFile) -> bool:
    """Return whether a file can still be read and has the same audio as when it was opened."""
    try:
        return file.path.stat().st_size == file.file_bytes and file.identify() == file.identity
    except (OSError, UnreadableError):
        return False


def is_complete(path: Path) -> bool:
    """Return whether a file is at least as long as its header declares, as far as known without decoding it.

    A file without audio counts as complete: waiting would not change it.
    """
    try:
        return open_file(path, path.name).is_finished
    except UnreadableError as error:
        return error.reason in (OTHER_FILE, "proprietary", "unsupported", "not_a_file")


def _read_start(path: Path) -> _FileStart:
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            return _FileStart(os.pread(file.fileno(), PIECE_BYTES, 0), status.st_size, status.st_mtime)
    except OSError as error:
        raise unreadable_error(path, error) from error


def _check_content(path: Path, start: _FileStart) -> None:
    if not start.file_bytes:
        raise UnreadableError("empty", f"{path}: 0 bytes; recorders leave such files when their battery is low")
    if not any(start.content):
        raise UnreadableError("nul_filled", f"{path}: begins with {len(start.content)} zero bytes instead of a header")
    if is_convertible(start.content):
        raise UnreadableError("unsupported", f"{path}: this kind of audio cannot be decoded; {_TO_WAV}")


def _collect_evidence(path: Path, texts: Mapping[bytes, bytes]) -> dict[str, TimeEvidence]:
    return {
        FILE_NAME: parse_file_name(path.stem),
        "GUANO": read_guano(texts.get(b"guan", b"")),
        "wamd": read_wamd(texts.get(b"wamd", b"")),
        "comment": read_comment(texts.get(b"LIST", b"")),
        "bext": read_bext(texts.get(b"bext", b"")),
    }


def _recorded_rate_hz(rate_hz: int, time_expansion: float | None) -> int:
    """Return the sampling rate of the sound. With time expansion the header has a lower one."""
    if not time_expansion or not 1 < time_expansion <= MAX_TIME_EXPANSION:
        return rate_hz
    recorded_hz = round(rate_hz * time_expansion)
    return recorded_hz if recorded_hz <= MAX_RATE_HZ else rate_hz


def _warnings(path: Path, layout: AudioLayout, samples: int | None, rate_hz: int) -> Iterator[str]:
    if samples is None or layout.length == LengthStatus.RECOVERED:
        yield NO_LENGTH
    if is_triggered(path.stem):
        yield TRIGGERED
    if rate_hz != layout.rate_hz:
        yield f"recorded with time expansion: {rate_hz} Hz are used instead of {layout.rate_hz} Hz"


def _complete(path: Path, layout: AudioLayout | None, start: _FileStart) -> tuple[AudioLayout, int | None]:
    """Return a layout with all that a decoder knows of the file, and the samples that its header declares."""
    if layout and (layout.is_plain or layout.sample_type.codec == "flac"):
        # A FLAC file whose last frame was not found has no length.
        return layout, layout.declared if layout.declared or layout.is_plain else None
    known = layout or whole_file(start.file_bytes)
    try:
        with open_regular(path) as content, open_decoder(content, replace(known, gap_at=None)) as file:
            known = known.with_decoder(file.samplerate, file.channels, min(file.frames, MAX_SAMPLES))
    except OSError as error:
        raise unreadable_error(path, error) from error
    except (sf.SoundFileError, RuntimeError) as error:
        raise _header_error(path, layout, start, error) from error
    return known, known.declared


def _header_error(path: Path, layout: AudioLayout | None, start: _FileStart, error: Exception) -> UnreadableError:
    is_full = len(start.content) == PIECE_BYTES
    if path.suffix.lower() == ".wav" and is_full and not has_signature(start.content):
        problem = "bytes without a header; some recorders leave files that contain only noise"
        return UnreadableError("no_header", f"{path}: {problem}")
    failed = decoding_error(path, "not_audio", error)
    if layout and layout.sample_type.codec == "ogg" and failed.reason == "not_audio":
        return UnreadableError(
            "unsupported", f"{failed} It is damaged, or libsndfile does not know its codec; {_TO_WAV}"
        )
    if failed.reason == "not_audio":
        return UnreadableError("not_audio", f"{failed} Name a recording, or convert it to WAV.")
    return failed


def _check_header(path: Path, rate_hz: int, channels: int, samples: int | None) -> None:
    if samples == 0:
        raise UnreadableError("no_samples", f"{path}: its header declares no audio")
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise UnreadableError("bad_rate", f"{path}: {rate_hz} Hz is not between {MIN_RATE_HZ} and {MAX_RATE_HZ}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise UnreadableError("bad_channels", f"{path}: {channels} channels are not between 1 and {MAX_CHANNELS}")


def estimate_span(path: Path, site_offset: timezone | None) -> tuple[datetime | None, float | None]:
    """Return the start and the seconds of a file by its header alone, or None. It is faster than to open the file.

    Raises UnreadableError if it is not audio.
    """
    check_kind(path)
    layout = find_audio(path)
    evidence = _collect_evidence(path, layout.texts if layout else {})
    start = resolve_start(evidence, site_offset, None).start_utc if any(e.start for e in evidence.values()) else None
    return start, layout.samples / layout.rate_hz if layout and layout.rate_hz else None
