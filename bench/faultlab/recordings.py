"""WAV files that grow and change their headers, and the rows of their analyses."""

import random
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from waves import RATE_HZ, chunk, fmt, riff

from anura_edge.audio import ClockSource, Recording
from anura_edge.events import Effort, EffortState, Event, effort_id, event_id
from anura_edge.sources.files.audio_file import AudioFile
from anura_edge.sources.files.open_file import open_file
from anura_edge.wire import Provenance

MODEL = "5f" * 32
PART_SAMPLES = RATE_HZ
"""A file grows by a second at a time."""

CALLS_PER_S = 10


class Card:
    """Recordings of noise, the first two of which exist from the beginning."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True)
        self._folder, self._seed = folder, seed
        self._lengths: dict[str, int] = {}
        self._headers: dict[str, int] = {}
        self.add()
        self.add()

    @property
    def names(self) -> Sequence[str]:
        """The names of all files."""
        return [*self._lengths]

    def add(self) -> str:
        """Begin a recording. Return its name."""
        name = f"A_20261120_{len(self._lengths):06}.wav"
        self._lengths[name], self._headers[name] = 1, 0
        self._write(name)
        return name

    def grow(self, name: str) -> None:
        """Add a second to a recording."""
        self._lengths[name] += 1
        self._write(name)

    def change_header(self, name: str, note_bytes: int) -> None:
        """Write a note of another length before the audio."""
        self._headers[name] = note_bytes
        self._write(name)

    def samples(self, name: str) -> int:
        """Return the length of a recording."""
        return self._lengths[name] * PART_SAMPLES

    def open(self, name: str) -> AudioFile:
        """Open a file, as a scan does."""
        return open_file(self._folder / name, name)

    def _write(self, name: str) -> None:
        noise = random.Random(f"{self._seed} {name}").randbytes(2 * self.samples(name))  # a longer one begins equally
        note = chunk(b"LIST", b"INFO" + bytes(self._headers[name])) if self._headers[name] else b""
        (self._folder / name).write_bytes(riff(fmt(), note, chunk(b"data", noise)))


def make_provenance(threshold: int = 1) -> Provenance:
    """Return the settings of an analysis."""
    return Provenance("m", "1", MODEL, f"threshold {threshold}", "0")


def make_events(recording: Recording, threshold: int, start: datetime) -> Sequence[Event]:
    """Return the calls in a recording. A higher threshold finds fewer."""
    samples = recording.samples or 0
    return [
        Event(
            event_id(recording.id, onset, "LOW", MODEL), "LOW", "Tonus gravis", recording.id, recording.name,
            onset, onset + 1, recording.rate_hz, start, start, ClockSource.RECORDER, 0.9, 0.8, -30.0,
        )
        for onset in range(0, samples, threshold * RATE_HZ // CALLS_PER_S)
    ]  # fmt: skip


def make_effort(recording: Recording, start: datetime) -> Effort:
    """Return the effort of a recording that was analysed from the beginning to the end."""
    state = EffortState.ANALYSED
    id_ = effort_id(recording.id, 0, state, MODEL)
    return Effort(
        id_,
        recording.id,
        recording.name,
        state,
        0,
        recording.samples or 0,
        recording.rate_hz,
        start,
        ClockSource.RECORDER,
    )
