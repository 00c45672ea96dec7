"""Inspect every file on a card: header, fingerprint, time, and the first seconds of audio."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timezone
from pathlib import Path

import numpy as np

from anura_edge.audio import ClockSource, FloatArray, is_full_scale
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import AudioFile
from anura_edge.sources.files.open_file import OTHER_FILE, open_file
from anura_edge.sources.files.scan import FoundFile, OnSkipped, ignore_skipped, scan
from anura_edge.sources.formats.extent import LengthStatus
from anura_edge.sources.metadata.filename import parse_file_name, recorder_prefix
from anura_edge.sources.metadata.resolve import FILE_NAME, Metadata, resolve_start

INSPECTED_S = 2.0
"""Duration of audio that is inspected in each recording."""

SILENT_PEAK = 2 / 32_768
"""A channel whose samples use only the last bit has no microphone."""

CLIPPED_SHARE = 0.001
"""More than one sample in a thousand at full scale means that the gain is too high or the microphone is broken."""


@dataclass(frozen=True, slots=True)
class CardFile:
    """The result of inspecting one file."""

    path: Path
    name: str
    """Path below the card's folder."""
    state: str
    """A `LengthStatus`, or the reason why it is unreadable."""
    detail: str
    recorder: str
    """The name's prefix before the time, or the serial number in the header, or an empty string."""
    id: str | None = None
    """Fingerprint of the content."""
    start_utc: datetime | None = None
    clock_source: ClockSource = ClockSource.UNKNOWN
    seconds: float = 0.0
    """Duration of the audio; 0 for a FLAC whose header does not state it, because it would have to be decoded."""
    missing_s: float = 0.0
    """Duration that the header declares and the file does not contain."""
    rate_hz: int | None = None
    channels: int | None = None
    silent: tuple[int, ...] = ()
    """Numbers of the channels without sound in the first INSPECTED_S, from 1."""
    clipped: tuple[int, ...] = ()
    """Numbers of the channels at full scale in the first INSPECTED_S, from 1."""
    warnings: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def is_readable(self) -> bool:
        """Whether the file contains all audio that its header declares."""
        return self.state in (LengthStatus.WHOLE, LengthStatus.RECOVERED)

    @property
    def is_audio(self) -> bool:
        """Whether the file is, or should be, a recording."""
        return self.state != OTHER_FILE


def survey_card(root: Path, zone: timezone | None, on_skipped: OnSkipped = ignore_skipped) -> Iterator[CardFile]:
    """Inspect every file below a folder, in the order of names. `on_skipped` gets the folders that cannot be read.

    Raises SourceError if the folder itself cannot be read.
    """
    for file in scan(root, on_skipped):
        try:
            yield _readable(file, open_file(file.path, file.name, zone))
        except UnreadableError as error:
            yield _unreadable(file, error, zone)


def _readable(file: FoundFile, sound: AudioFile) -> CardFile:
    facts = sound.recording
    start = sound.read_start(INSPECTED_S)
    return CardFile(
        path=file.path,
        name=file.name,
        state=sound.length,
        detail="",
        recorder=recorder_prefix(Path(file.name).stem) or sound.metadata.serial or "",
        id=facts.id,
        start_utc=facts.start_utc,
        clock_source=facts.clock_source,
        seconds=sound.samples / facts.rate_hz,
        missing_s=((facts.samples or 0) - sound.samples) / facts.rate_hz,
        rate_hz=facts.rate_hz,
        channels=facts.channels,
        silent=_channels(np.abs(start).max(axis=0, initial=0) < SILENT_PEAK) if len(start) else (),
        clipped=_channels(is_full_scale(start).mean(axis=0) > CLIPPED_SHARE) if len(start) else (),
        warnings=facts.warnings,
        metadata=sound.metadata,
    )


def _unreadable(file: FoundFile, error: UnreadableError, zone: timezone | None) -> CardFile:
    """Use the time in the name: an unreadable file still has its place in the schedule."""
    name = parse_file_name(file.path.stem)
    clock = resolve_start({FILE_NAME: name}, zone, datetime.fromtimestamp(0, UTC))
    return CardFile(
        path=file.path,
        name=file.name,
        state=error.reason,
        detail=str(error),
        recorder=recorder_prefix(Path(file.name).stem),
        start_utc=clock.start_utc if name.start else None,
        clock_source=clock.clock_source,
    )


def _channels(selected: FloatArray) -> tuple[int, ...]:
    return tuple(int(channel) + 1 for channel in np.flatnonzero(selected))
