"""A cache of decoded recordings with a size limit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import overload

import numpy as np
import soundfile

from anura_edge.audio import FloatArray
from anura_edge.errors import SourceError
from anura_train.data import Recording, load_audio

MAX_SAMPLES = 250_000_000
"""Size limit in decoded samples: 1 GB, or three hours at 22,050 Hz. Further recordings are decoded on each access."""


@dataclass(slots=True, eq=False)
class AudioCache:
    """Decodes recordings to one sampling rate and stores them by name. Thread-safe.

    It never evicts: examples are drawn at random from all recordings, so replacing one by another would gain nothing.
    """

    rate_hz: int
    stored: dict[str, FloatArray] = field(default_factory=dict)
    free_samples: int = MAX_SAMPLES
    lock: Lock = field(default_factory=Lock)

    def __getitem__(self, recording: Recording) -> FloatArray:
        """Return a recording's samples, (samples,); SourceError when it cannot be decoded."""
        stored = self.stored.get(recording.name)
        return self._store(recording.name, load_audio(recording, self.rate_hz)) if stored is None else stored

    def excerpt(self, recording: Recording, start: int, length: int) -> FloatArray:
        """Return up to `length` samples from sample `start`, the same as a slice of the whole recording.

        A recording that is too long for the cache is not decoded as a whole if it is mono and has the right rate.
        """
        if recording.name not in self.stored:
            try:
                with soundfile.SoundFile(recording.path) as file:
                    as_is = file.channels == 1 and file.samplerate == self.rate_hz and file.seekable()
                    if as_is and file.frames > self.free_samples:
                        file.seek(min(start, file.frames))
                        return np.asarray(file.read(length, dtype="float32"), np.float32)
            except (soundfile.LibsndfileError, OSError) as error:
                raise SourceError(f"cannot decode {recording.path}: {error}; copy it again") from error
        return self[recording][start : start + length]

    def _store(self, name: str, samples: FloatArray) -> FloatArray:
        with self.lock:
            if name not in self.stored and len(samples) <= self.free_samples:
                self.stored[name] = samples
                self.free_samples -= len(samples)
        return samples


@dataclass(frozen=True, slots=True, eq=False)
class CachedAudio(Sequence[FloatArray]):
    """The samples of some recordings as a sequence; each is decoded on access."""

    cache: AudioCache
    recordings: tuple[Recording, ...]

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self.recordings)

    @overload
    def __getitem__(self, index: int) -> FloatArray: ...
    @overload
    def __getitem__(self, index: slice) -> "CachedAudio": ...
    def __getitem__(self, index: int | slice) -> "FloatArray | CachedAudio":
        """Return a recording's samples, (samples,)."""
        if isinstance(index, slice):
            return CachedAudio(self.cache, self.recordings[index])
        return self.cache[self.recordings[index]]
