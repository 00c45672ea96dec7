"""The folder of clips. It stores the best ones, and deletes the others to stay below its limits."""

import io
import logging
import math
import os
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from threading import RLock

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from anura_edge.clips.ranking import Clip, least_valuable_first, parse_clip_name, surplus
from anura_edge.config.operation import ClipSettings
from anura_edge.errors import JournalError
from anura_edge.system.hardware import Space

log = logging.getLogger(__name__)

UNFINISHED = ".part"


class ClipStore:
    """A folder of clips. Threads may share it."""

    def __init__(self, folder: Path, settings: ClipSettings, zone: tzinfo) -> None:
        """Read the folder. Files that are no clips are never touched.

        Raises JournalError if the folder cannot be used.
        """
        self._folder, self._settings, self._zone = folder, settings, zone
        self._lock = RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for unfinished in folder.glob(f"*{UNFINISHED}"):
                unfinished.unlink()  # a power cut interrupted the write
            found = (
                parse_clip_name(entry.name, entry.stat().st_size) for entry in os.scandir(folder) if entry.is_file()
            )
            self._clips = {clip for clip in found if clip}
        except OSError as error:
            raise JournalError(f"cannot save clips in {folder}: {error.strerror}; set clips.enabled: false") from error

    @property
    def clips(self) -> frozenset[Clip]:
        """The stored clips."""
        with self._lock:
            return frozenset(self._clips)

    def should_keep(self, clip: Clip) -> bool:
        """Tell whether a clip is among the best of one of its labels in its night."""
        with self._lock:
            return clip not in surplus({*self._clips, clip}, self._settings.best_per_night, self._zone)

    def add(self, clip: Clip, flac: bytes) -> None:
        """Save a clip completely or not at all, and delete clips that are no longer among the best.

        Raises OSError.
        """
        path = self._folder / clip.name
        unfinished = path.with_suffix(UNFINISHED)
        try:
            with unfinished.open("wb") as file:
                file.write(flac)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        _sync(self._folder)
        with self._lock:
            self._clips.add(replace(clip, size_bytes=len(flac)))
            for clip_to_delete in surplus(self._clips, self._settings.best_per_night, self._zone):
                self._remove(clip_to_delete)
            self._shrink(round(self._settings.max_mb * 1e6))

    def free_space(self, missing: Space) -> None:
        """Delete the least valuable clips until this much more space is free."""
        with self._lock:
            self._shrink(self._size_bytes - missing.free_bytes, len(self._clips) - (missing.free_inodes or 0))

    @property
    def _size_bytes(self) -> int:
        return sum(clip.size_bytes for clip in self._clips)

    def _shrink(self, to_bytes: int, to_files: float = math.inf) -> None:
        size_bytes = self._size_bytes
        for clip in least_valuable_first(self._clips):
            if size_bytes <= to_bytes and len(self._clips) <= to_files:
                return
            self._remove(clip)
            size_bytes -= clip.size_bytes

    def _remove(self, clip: Clip) -> None:
        self._clips.discard(clip)
        try:
            (self._folder / clip.name).unlink(missing_ok=True)
        except OSError as error:
            log.warning("cannot remove %s: %s", self._folder / clip.name, error)


def to_flac(samples: NDArray[np.int16], rate_hz: int) -> bytes:
    """Return mono audio, shape (n,), as a FLAC file."""
    encoded = io.BytesIO()  # in memory first: the encoder does not report a full disk
    sf.write(encoded, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return encoded.getvalue()


def _sync(folder: Path) -> None:
    """Write a folder's entries to the disk, so that a new file survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
