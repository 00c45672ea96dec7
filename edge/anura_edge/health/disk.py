"""Watches the disk: when little is left, saved audio goes, saving ends, and hearing goes on."""

import logging
import math
from datetime import UTC, datetime
from uuid import uuid4

from anura_edge.clips.recorder import ClipRecorder
from anura_edge.config.device import Config
from anura_edge.config.operation import DiskSettings
from anura_edge.events import Notice, NoticeKind
from anura_edge.store.writer import ResultWriter
from anura_edge.system.hardware import Space, space

log = logging.getLogger(__name__)

RELIEF = 1.25
"""The disk is low until this much of the floor is free again: a file more or less must not make it flicker."""


def missing(left: Space, disk: DiskSettings, *, was_low: bool) -> Space:
    """Return how much more the settings want to be free; nothing if there is enough."""
    relief = RELIEF if was_low else 1.0
    wanted_inodes = 0 if left.free_inodes is None else disk.min_free_inodes * relief
    return Space(
        max(0, math.ceil(disk.min_free_mb * 1e6 * relief) - left.free_bytes),
        max(0, math.ceil(wanted_inodes) - (left.free_inodes or 0)),
    )


class DiskWatch:
    """Looks at the disk under the state folder now and then."""

    def __init__(self, config: Config, writer: ResultWriter, clips: ClipRecorder | None) -> None:
        self._folder, self._disk = config.journal_path.parent, config.disk
        self._writer, self._clips = writer, clips
        self._is_low = False
        self.space: Space | None = None
        """What is left, as of the last look; None if nobody knows."""

    @property
    def problem(self) -> str | None:
        """What a person should do, if the disk is low."""
        if not (self._is_low and self.space):
            return None
        inodes = "" if self.space.free_inodes is None else f" and room for {self.space.free_inodes:,} files"
        saving = "; no audio is saved" if self._clips else ""
        return f"the disk is nearly full: {self.space.free_bytes / 1e6:,.0f} MB{inodes} left{saving}; make room"

    def look(self) -> None:
        """Look, make room where there is something to give up, and tell the base station once."""
        self.space = self._ask()
        if self._clips and self.space and self._lacks(self.space):
            self._clips.store.free_space(missing(self.space, self._disk, was_low=True))
            self.space = self._ask()
        was_low, self._is_low = self._is_low, self.space is not None and self._lacks(self.space)
        if self._clips:
            self._clips.is_paused = self._is_low
        if self._is_low and not was_low and self.space and (problem := self.problem):
            log.warning(problem)
            left = float(self.space.free_bytes)
            self._writer.notice(Notice(uuid4(), NoticeKind.DISK_LOW, datetime.now(UTC), problem, amount=left))

    def _lacks(self, left: Space) -> bool:
        return missing(left, self._disk, was_low=self._is_low) != Space(0, 0)

    def _ask(self) -> Space | None:
        try:
            return space(self._folder)
        except OSError:
            return None  # unmounted, or worse: the journal will say so
