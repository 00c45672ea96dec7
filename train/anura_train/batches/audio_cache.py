"""The sound that is learnt from, decoded when it is wanted: as much of it is kept as there is room for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import overload

import numpy as np
import soundfile

from anura_edge.audio import FloatArray
from anura_edge.errors import SourceError
from anura_train.data import Recording, load_audio

MEMORY_SAMPLES = 250_000_000
"""So many decoded samples are kept, 1 GB: three hours at 22,050 Hz. The rest is decoded each time."""


@dataclass(slots=True, eq=False)
class AudioCache:
    """Recordings by name at one rate; several threads may read in it.

    What came first is kept: examples are drawn from anywhere, so putting one in another's place would gain nothing.
    """

    rate_hz: int
    kept: dict[str, FloatArray] = field(default_factory=dict)
    room: int = MEMORY_SAMPLES
    lock: Lock = field(default_factory=Lock)

    def __getitem__(self, recording: Recording) -> FloatArray:
        """Return a recording's samples, (samples,); SourceError when it cannot be decoded."""
        kept = self.kept.get(recording.name)
        return self._keep(recording.name, load_audio(recording, self.rate_hz)) if kept is None else kept

    def piece(self, recording: Recording, start: int, length: int) -> FloatArray:
        """Return up to `length` samples from sample `start`, as slicing the whole recording would.

        A long recording that there is no room for is not decoded whole, if it has one channel and the right rate.
        """
        if recording.name not in self.kept:
            try:
                with soundfile.SoundFile(recording.path) as file:
                    as_is = file.channels == 1 and file.samplerate == self.rate_hz and file.seekable()
                    if as_is and file.frames > self.room:
                        file.seek(min(start, file.frames))
                        return np.asarray(file.read(length, dtype="float32"), np.float32)
            except (soundfile.LibsndfileError, OSError) as error:
                raise SourceError(f"cannot decode {recording.path}: {error}; copy it again") from error
        return self[recording][start : start + length]

    def _keep(self, name: str, samples: FloatArray) -> FloatArray:
        with self.lock:
            if name not in self.kept and len(samples) <= self.room:
                self.kept[name] = samples
                self.room -= len(samples)
        return samples


@dataclass(frozen=True, slots=True, eq=False)
class CachedAudio(Sequence[FloatArray]):
    """Some recordings of a library, as if all of them were in memory."""

    library: AudioCache
    recordings: tuple[Recording, ...]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.recordings)

    @overload
    def __getitem__(self, index: int) -> FloatArray: ...
    @overload
    def __getitem__(self, index: slice) -> "CachedAudio": ...
    def __getitem__(self, index: int | slice) -> "FloatArray | CachedAudio":
        """Return a recording's samples, (samples,)."""
        if isinstance(index, slice):
            return CachedAudio(self.library, self.recordings[index])
        return self.library[self.recordings[index]]
