"""Embeddings of recordings and of mixtures, cached on disk by content and computed in several processes."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, lru_cache
from hashlib import sha256
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from anura_edge.audio import FloatArray
from anura_train.checkpoints.array_cache import ArrayCache
from anura_train.data import Recording, load_audio
from anura_train.data.progress import OnRecording
from anura_train.heads.frozen import FrozenBirdnet, load_frozen
from anura_train.heads.overlays import Overlay
from anura_train.models.birdnet.network import EMBEDDING
from anura_train.models.settings import BirdnetSettings
from anura_train.worker_processes import worker_context

Task = Recording | tuple[Overlay, ...]
"""What is embedded together: the windows of a recording, or the mixtures of one recording."""

_frozen: FrozenBirdnet
"""The network of a worker process."""


class EmbeddingStore:
    """Returns embeddings from a cache, and computes the missing ones."""

    def __init__(self, settings: BirdnetSettings, path: Path, jobs: int) -> None:
        """Load the network, and open the cache. ModelError when either fails."""
        self.frozen = load_frozen(settings)
        self._settings, self._cache, self._jobs = settings, ArrayCache(path), jobs

    def of_recordings(self, recordings: Sequence[Recording], on_recording: OnRecording) -> list[FloatArray]:
        """Return the embeddings (windows, EMBEDDING) of each recording."""
        return self._get(list(recordings), on_recording)

    def of_overlays(self, overlays: Iterable[Overlay], on_recording: OnRecording) -> FloatArray:
        """Return the embeddings (overlays, EMBEDDING) of mixtures, which are in order of their recordings."""
        tasks = [tuple(members) for _, members in groupby(overlays, lambda each: each.recording.name)]
        return np.concatenate([np.zeros((0, EMBEDDING), np.float32), *self._get(tasks, on_recording)])

    def _get(self, tasks: Sequence[Task], on_recording: OnRecording) -> list[FloatArray]:
        keys = [self._key(task) for task in tasks]
        found = {key: embeddings for key in keys if (embeddings := self._cache.get(key)) is not None}
        missing = {key: task for key, task in zip(keys, tasks, strict=True) if key not in found}
        for done, (key, computed) in enumerate(zip(missing, self._compute(list(missing.values())), strict=True), 1):
            self._cache.put(key, computed)
            found[key] = computed
            on_recording(done, len(missing))
        return [found[key] for key in keys]

    def _compute(self, tasks: Sequence[Task]) -> Iterator[FloatArray]:
        if not tasks:
            return
        context = worker_context(__name__)
        with ProcessPoolExecutor(self._jobs, context, initializer=_load, initargs=(self._settings,)) as pool:
            yield from pool.map(_embed, tasks)

    def _key(self, task: Task) -> bytes:
        """Hash the network, the content of the files and, for mixtures, how they are made."""
        if isinstance(task, Recording):
            return sha256(f"{self.frozen.digest} {_file_hash(task.path)}".encode()).digest()
        made = [(_file_hash(each.background.path), each.snr_db, each.seed) for each in task]
        return sha256(f"{self.frozen.digest} {_file_hash(task[0].recording.path)} {made}".encode()).digest()


def _load(settings: BirdnetSettings) -> None:
    """Load the network of a worker process."""
    global _frozen
    torch.set_num_threads(1)
    _frozen = load_frozen(settings)


def _embed(task: Task) -> FloatArray:
    """Return the embeddings of a task, in a worker process."""
    rate_hz = _frozen.rate_hz
    if isinstance(task, Recording):
        return _frozen.embed(load_audio(task, rate_hz))
    recording = load_audio(task[0].recording, rate_hz)
    mixtures = [each.make(recording, _background(each.background, rate_hz), rate_hz) for each in task]
    return np.concatenate([_frozen.embed(mixture) for mixture in mixtures])


@lru_cache(maxsize=64)
def _background(recording: Recording, rate_hz: int) -> FloatArray:
    return load_audio(recording, rate_hz)


@cache
def _file_hash(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
