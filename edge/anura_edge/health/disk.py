"""Watch the free disk space. When it is low: delete clips, then pause saving them. The analysis continues."""

import logging
import math
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from anura_edge.clips.clip_writer import ClipWriter
from anura_edge.config.operation import DiskSettings
from anura_edge.events import Notice, NoticeKind
from anura_edge.store.writer import ResultWriter
from anura_edge.system.hardware import Space, space

log = logging.getLogger(__name__)

RECOVERY_FACTOR = 1.25
"""A low disk stays low until this multiple of the limit is free, so that one file does not toggle the state."""


def shortfall(free: Space, limits: DiskSettings, *, was_low: bool) -> Space:
    """Return the space that is missing to the limits; 0 bytes and 0 inodes if enough is free."""
    factor = RECOVERY_FACTOR if was_low else 1.0
    min_free_inodes = 0 if free.free_inodes is None else limits.min_free_inodes * factor
    return Space(
        max(0, math.ceil(limits.min_free_mb * 1e6 * factor) - free.free_bytes),
        max(0, math.ceil(min_free_inodes) - (free.free_inodes or 0)),
    )


class DiskWatch:
    """Checks the free space of the disk that holds the state folder."""

    def __init__(self, state_dir: Path, limits: DiskSettings, writer: ResultWriter, clips: ClipWriter | None) -> None:
        self._state_dir, self._limits = state_dir, limits
        self._writer, self._clips = writer, clips
        self._is_low = False
        self.space: Space | None = None
        """Free space at the last check; None if it cannot be read."""

    @property
    def problem(self) -> str | None:
        """What a person should do if the disk is low, else None."""
        if not (self._is_low and self.space):
            return None
        inodes = "" if self.space.free_inodes is None else f" and room for {self.space.free_inodes:,} files"
        clips = "; no clips are saved" if self._clips else ""
        return f"the disk is nearly full: {self.space.free_bytes / 1e6:,.0f} MB{inodes} left{clips}; make room"

    def check(self) -> None:
        """Read the free space. If it is low, delete clips, pause saving them, and publish one notice."""
        self.space = self._read_space()
        if self._clips and self.space and self._is_short(self.space):
            self._clips.store.free_space(shortfall(self.space, self._limits, was_low=True))
            self.space = self._read_space()
        was_low, self._is_low = self._is_low, self.space is not None and self._is_short(self.space)
        if self._clips:
            self._clips.is_paused = self._is_low
        if self._is_low and not was_low and self.space and (problem := self.problem):
            log.warning(problem)
            free_bytes = float(self.space.free_bytes)
            self._writer.write_notice(
                Notice(uuid4(), NoticeKind.DISK_LOW, datetime.now(UTC), problem, amount=free_bytes)
            )

    def _is_short(self, free: Space) -> bool:
        return shortfall(free, self._limits, was_low=self._is_low) != Space(0, 0)

    def _read_space(self) -> Space | None:
        try:
            return space(self._state_dir)
        except OSError:
            return None  # the disk is unmounted or broken; the journal reports that
