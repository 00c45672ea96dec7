"""Hears recordings that are files: each one once, whole, whatever state the others are in.

Several are heard at a time, and what they gave is kept one by one in the order in which they were found: the journal is
the same however many threads there are.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timezone
from queue import SimpleQueue
from threading import Event, Semaphore

from anura_edge.audio import ClockSource
from anura_edge.config.analysis import AudioSettings
from anura_edge.detection.detector import Detector
from anura_edge.detection.pipeline import PipelineOutput, analyse
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import OTHER_FILE, AudioFile, check_name, is_unchanged, open_file
from anura_edge.sources.files.identity import INTERRUPTED, quick_fingerprint, read_ahead
from anura_edge.sources.files.scan import FoundFile
from anura_edge.store.scan_history import AnalysedFile, PreviousAnalysis
from anura_edge.store.writer import ResultWriter

log = logging.getLogger(__name__)

BLOCK_S = 10.0
"""A file is scored as much at a time as is read at once: longer is not faster, and takes more memory."""

AHEAD = 4
"""So many files a detector are looked at before their turn: short ones must not wait for the commits of others."""


class FileScanner:
    """Analyses files, as many at a time as there are detectors."""

    def __init__(
        self,
        writer: ResultWriter,
        detectors: Sequence[Detector],
        audio: AudioSettings,
        stop: Event,
        retry: Callable[[FoundFile], None],
        *,
        again: bool,
    ) -> None:
        """`retry` is told of a file that could not be read to its end this time.

        What was heard under other settings is heard `again` in place of what it gave then, or else only counted.
        """
        self._writer, self._audio, self._stop = writer, audio, stop
        self._retry, self._again = retry, again
        self._jobs = len(detectors)
        self._detectors: SimpleQueue[Detector] = SimpleQueue()
        for detector in detectors:
            self._detectors.put(detector)
        self._kept_until_s = 0.0
        self._failure: Exception | None = None
        self._warned_of_clock = False

    def scan(self, files: Iterable[FoundFile]) -> None:
        """Analyse every file that this model has not analysed before; a bad one is noted, and the rest goes on."""
        room = Semaphore(AHEAD * self._jobs)
        # One more thread than detectors: it looks at the next file, and has it read, until a detector is free.
        with ThreadPoolExecutor(self._jobs + 1, "hearing") as ahead, ThreadPoolExecutor(1, "keeping") as in_order:
            for file in files:
                if self._stop.is_set():
                    break
                visit = FileJob(file, self._audio.zone, self._listen)
                if self._is_counted(visit):
                    continue
                room.acquire()
                turn = in_order.submit(self._take_turn, visit, ahead.submit(self._look_ahead, visit))
                turn.add_done_callback(lambda _: room.release())
        if self._failure:
            raise self._failure
        self._writer.flush_seen()

    def _is_counted(self, visit: "FileJob") -> bool:
        """Count a file that is known at a glance: of a card that goes on after a kill there may be very many."""
        with suppress(UnreadableError):  # told in its turn
            check_name(visit.file.path)
            if past := self._known_at_glance(visit):
                self._writer.count_known(past)
                return True
        return False

    def _look_ahead(self, visit: "FileJob") -> None:
        """Do what can be done before a file's turn. Only its turn decides what it counts as, and meets its faults."""
        with suppress(UnreadableError):
            check_name(visit.file.path)
            if not (self._stop.is_set() or self._known_by_content(visit)):
                read_ahead(visit.file.path)
                visit.began_s = time.monotonic()
                visit.heard  # noqa: B018 (known from now on)

    def _take_turn(self, visit: "FileJob", looked: "Future[None]") -> None:
        try:
            looked.result()
            if not self._stop.is_set():
                self._take(visit)
        except UnreadableError as error:
            self._set_aside(visit.file, error)
        except Exception as error:  # whatever it is: it is raised where the files come from, who may wait for more
            self._failure = self._failure or error
            self._stop.set()

    def _take(self, visit: "FileJob") -> None:
        check_name(visit.file.path)
        if past := self._known_at_glance(visit):
            self._writer.count_known(past)
        elif past := self._known_by_content(visit):
            self._writer.see(visit.seen, past.recording)
            self._writer.count_known(past)
        else:
            self._keep(visit, self._writer.past(visit.sound))

    # What is known before a file's turn is known in its turn: nothing that is kept in between makes it wanted.

    def _known_at_glance(self, visit: "FileJob") -> PreviousAnalysis | None:
        past = self._writer.find_by_fingerprint(visit.seen)
        return past if past and not self._is_wanted(past) else None

    def _known_by_content(self, visit: "FileJob") -> PreviousAnalysis | None:
        sound, past = visit.sound, self._writer.past(visit.sound)
        if not past:
            return None
        is_same = past.recording == sound.recording.id
        return past if past.size > sound.content.size or (is_same and not self._is_wanted(past)) else None

    def _is_wanted(self, past: PreviousAnalysis) -> bool:
        return self._again and not past.is_replaced and past.config_hash != self._writer.provenance.config_hash

    def _listen(self, sound: AudioFile) -> list[PipelineOutput] | None:
        """Hear a file as soon as a detector is free; return None if told to stop before its end."""
        detector = self._detectors.get()
        heard = []
        try:
            for part in analyse(sound, detector, self._audio.channel):
                if self._stop.is_set():
                    return None
                heard.append(part)
        finally:
            self._detectors.put(detector)
        return heard

    def _keep(self, visit: "FileJob", past: PreviousAnalysis | None) -> None:
        """Keep all that a file gave at once: after a crash it is simply analysed again."""
        file, sound, heard = visit.file, visit.sound, visit.heard
        if heard is None:
            return
        error = heard[-1].read_error
        if (error and error.reason == INTERRUPTED) or not is_unchanged(sound):
            self._leave(file, f"{sound.path} changed or went away while it was heard; the next scan hears it again")
            return
        head = sound.content.head if sound.has_content_id else None
        in_place_of = past.recording if past else None
        done = AnalysedFile(sound.recording, sound.content.size, head, visit.seen, error is None, in_place_of)
        self._writer.keep(heard, done)
        self._count_time(visit)
        if error:
            self._writer.set_aside(file, error)
        if sound.recording.clock_source == ClockSource.UNKNOWN and not self._warned_of_clock:
            self._warned_of_clock = True
            log.warning("times in file names are read as UTC; set audio.utc_offset to what the recorder's clock kept")

    def _count_time(self, visit: "FileJob") -> None:
        self._writer.summary.new += 1
        now_s = time.monotonic()
        self._writer.summary.elapsed_s += now_s - max(visit.began_s, self._kept_until_s)
        self._kept_until_s = now_s

    def _set_aside(self, file: FoundFile, error: UnreadableError) -> None:
        if error.reason == INTERRUPTED:
            self._leave(file, str(error))
        elif error.reason != OTHER_FILE:
            self._writer.set_aside(file, error)

    def _leave(self, file: FoundFile, detail: str) -> None:
        self._writer.leave(INTERRUPTED, detail)
        self._retry(file)


class FileJob:
    """A file, and what becomes known of it, each thing once: before its turn if possible, or else then.

    Not by `functools.cached_property`: before Python 3.12 all objects share its lock, so that one file would be heard
    at a time. A visit is in one thread at a time.
    """

    def __init__(
        self, file: FoundFile, zone: timezone | None, listen_to: Callable[[AudioFile], list[PipelineOutput] | None]
    ) -> None:
        self.file, self._zone, self._listen_to = file, zone, listen_to
        self.began_s = time.monotonic()
        self._seen: bytes | None = None
        self._sound: AudioFile | None = None
        self._heard: list[PipelineOutput] | None = None

    @property
    def seen(self) -> bytes:
        """What it shows at a glance."""
        if self._seen is None:
            self._seen = quick_fingerprint(self.file.path, self.file.name, self.file.size, self.file.mtime_ns)
        return self._seen

    @property
    def sound(self) -> AudioFile:
        """What can be heard of it."""
        if self._sound is None:
            self._sound = open_file(self.file.path, self.file.name, self._zone)
        return self._sound

    @property
    def heard(self) -> list[PipelineOutput] | None:
        """What was heard in it; None if we were told to stop before its end."""
        if self._heard is None:
            self._heard = self._listen_to(self.sound)
        return self._heard
