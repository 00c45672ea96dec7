"""Looks at every file on a card, briefly: header, identity, time, and how it begins to sound."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timezone
from pathlib import Path

import numpy as np

from anura_edge.audio import ClockSource, FloatArray
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import OTHER_FILE, AudioFile, open_file
from anura_edge.sources.files.scan import FoundFile, scan
from anura_edge.sources.files.wav import LengthStatus
from anura_edge.sources.metadata.filename import parse_file_name, recorder_prefix
from anura_edge.sources.metadata.resolve import FILE_NAME, Metadata, resolve_start

LOOK_S = 2.0
"""This much of each recording is looked at."""

SILENT_PEAK = 2 / 32_768
"""A channel that never leaves the last bit has no microphone."""

CLIPPED_PEAK, CLIPPED_SHARE = 0.999, 0.001
"""More than one sample in a thousand at full scale is a gain that is too high, or a broken microphone."""


@dataclass(frozen=True, slots=True)
class CardFile:
    """What became clear about one file."""

    path: Path
    name: str
    """Path below the card's folder."""
    state: str
    """A `LengthStatus`, or the reason why it cannot be heard."""
    detail: str
    recorder: str
    """What stands before the time in the name, else the serial number in the header, else nothing."""
    id: str | None = None
    """Fingerprint of the content."""
    start_utc: datetime | None = None
    clock_source: ClockSource = ClockSource.UNKNOWN
    seconds: float = 0.0
    """Audio that is there; 0 for a FLAC that does not say and would have to be decoded."""
    missing_s: float = 0.0
    """Audio that the header promises and that is not there."""
    rate_hz: int | None = None
    channels: int | None = None
    silent: tuple[int, ...] = ()
    """Channels without any sound in its first LOOK_S, from 1."""
    clipped: tuple[int, ...] = ()
    """Channels at full scale in its first LOOK_S, from 1."""
    warnings: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def is_readable(self) -> bool:
        """All that its header promises can be heard."""
        return self.state in (LengthStatus.WHOLE, LengthStatus.RECOVERED)

    @property
    def is_audio(self) -> bool:
        """It is a recording, or should be one."""
        return self.state != OTHER_FILE


def survey(root: Path, zone: timezone | None) -> Iterator[CardFile]:
    """Look at every file below a folder, in the order of names.

    Raises SourceError if the folder itself cannot be read.
    """
    for file in scan(root):
        try:
            yield _heard(file, open_file(file.path, file.name, zone))
        except UnreadableError as error:
            yield _unheard(file, error, zone)


def _heard(file: FoundFile, sound: AudioFile) -> CardFile:
    facts = sound.recording
    start = sound.read_start(LOOK_S)
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
        clipped=_channels((np.abs(start) >= CLIPPED_PEAK).mean(axis=0) > CLIPPED_SHARE) if len(start) else (),
        warnings=facts.warnings,
        metadata=sound.metadata,
    )


def _unheard(file: FoundFile, error: UnreadableError, zone: timezone | None) -> CardFile:
    """Keep what the name says: a file that cannot be read has its place in the schedule nevertheless."""
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


def _channels(which: FloatArray) -> tuple[int, ...]:
    return tuple(int(channel) + 1 for channel in np.flatnonzero(which))
