"""Hears recordings that are files: each one once, whole, whatever state the others are in."""

import logging
import time
from collections.abc import Callable, Iterable
from threading import Event

from anura_edge.audio import ClockSource
from anura_edge.config import Audio
from anura_edge.detector import Detector
from anura_edge.errors import UnreadableError
from anura_edge.keeper import Keeper
from anura_edge.pipeline import listen
from anura_edge.sources.content import INTERRUPTED, glance
from anura_edge.sources.files import OTHER_FILE, FileSound, check_name, is_same, open_file
from anura_edge.sources.folder import FoundFile
from anura_edge.store.known_files import HeardFile, Past

log = logging.getLogger(__name__)

BLOCK_S = 60.0
"""A file is scored a minute at a time: long enough to keep the CPU busy, short enough for a small memory."""


class FileHearing:
    """Analyses files one by one."""

    def __init__(
        self,
        keeper: Keeper,
        detector: Detector,
        audio: Audio,
        stop: Event,
        retry: Callable[[FoundFile], None],
        *,
        again: bool,
    ) -> None:
        """`retry` is told of a file that could not be read to its end this time.

        What was heard under other settings is heard `again` in place of what it gave then, or else only counted.
        """
        self._keeper, self._detector, self._audio, self._stop = keeper, detector, audio, stop
        self._retry, self._again = retry, again
        self._warned_of_clock = False

    def hear_all(self, files: Iterable[FoundFile]) -> None:
        """Analyse every file that this model has not analysed before; a bad one is noted, and the rest goes on."""
        for file in files:
            if self._stop.is_set():
                break
            try:
                self._take(file)
            except UnreadableError as error:
                self._set_aside(file, error)
        self._keeper.flush_seen()

    def _take(self, file: FoundFile) -> None:
        check_name(file.path)
        seen = glance(file.path, file.name, file.size, file.mtime_ns)
        past = self._keeper.past_at_glance(seen)
        if past and not self._is_wanted(past):
            self._keeper.count_known(past)
            return
        sound = open_file(file.path, file.name, self._audio.zone)
        past = self._keeper.past(sound)
        if past:
            is_same = past.recording == sound.recording.id
            if past.size > sound.content.size or (is_same and not self._is_wanted(past)):
                self._keeper.see(seen, past.recording)
                self._keeper.count_known(past)
                return
        self._hear(sound, file, seen, past)

    def _is_wanted(self, past: Past) -> bool:
        return self._again and not past.is_replaced and past.config_hash != self._keeper.made_by.config_hash

    def _hear(self, sound: FileSound, file: FoundFile, seen: bytes, past: Past | None) -> None:
        """Analyse a file and keep the whole result at once: after a crash it is simply analysed again."""
        began = time.monotonic()
        heard = []
        for part in listen(sound, self._detector, self._audio.channel):
            if self._stop.is_set():
                return
            heard.append(part)
        error = heard[-1].broken_off
        if (error and error.reason == INTERRUPTED) or not is_same(sound):
            self._leave(file, f"{sound.path} changed or went away while it was heard; the next scan hears it again")
            return
        head = sound.content.head if sound.begins_with_sound else None
        in_place_of = past.recording if past else None
        done = HeardFile(sound.recording, sound.content.size, head, seen, error is None, in_place_of)
        self._keeper.keep(heard, done)
        self._keeper.summary.new += 1
        self._keeper.summary.elapsed_s += time.monotonic() - began
        if error:
            self._keeper.set_aside(file, error)
        if sound.recording.clock_source == ClockSource.UNKNOWN and not self._warned_of_clock:
            self._warned_of_clock = True
            log.warning("times in file names are read as UTC; set audio.utc_offset to what the recorder's clock kept")

    def _set_aside(self, file: FoundFile, error: UnreadableError) -> None:
        if error.reason == INTERRUPTED:
            self._leave(file, str(error))
        elif error.reason != OTHER_FILE:
            self._keeper.set_aside(file, error)

    def _leave(self, file: FoundFile, detail: str) -> None:
        self._keeper.leave(INTERRUPTED, detail)
        self._retry(file)
