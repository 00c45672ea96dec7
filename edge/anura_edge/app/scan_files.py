"""Analyses recordings that are files: each one once and to its end, even if other files are damaged.

Several files are analysed at a time. Their results are written in the order in which the files were found, so the
journal does not depend on the number of threads.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Semaphore

from anura_edge.app.site_opener import NO_SITE, OpenedFile, SiteOpener
from anura_edge.audio import ClockSource
from anura_edge.config.analysis import AudioSettings
from anura_edge.detection.detector import Detector
from anura_edge.detection.ledger import PipelineOutput
from anura_edge.detection.pipeline import analyse
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import AudioFile
from anura_edge.sources.files.identity import quick_fingerprint
from anura_edge.sources.files.open_file import OTHER_FILE, check_kind, is_unchanged
from anura_edge.sources.files.regular_file import INTERRUPTED, read_ahead
from anura_edge.sources.files.scan import FoundFile
from anura_edge.store.scan_history import AnalysedFile, PreviousAnalysis, ScanHistory
from anura_edge.store.writer import ResultWriter

log = logging.getLogger(__name__)

BLOCK_S = 10.0
"""Seconds of a file that are scored in one block. A longer block is not faster and takes more memory."""

FILES_AHEAD = 4
"""Files per detector that are prepared before their turn: short files must not wait for the commits of others."""


class FileScanner:
    """Analyses as many files at a time as there are detectors."""

    def __init__(
        self,
        writer: ResultWriter,
        history: ScanHistory,
        detectors: Sequence[Detector],
        opener: SiteOpener,
        audio: AudioSettings,
        stop: Event,
        retry: Callable[[FoundFile], None],
        *,
        reanalyse: bool,
    ) -> None:
        """Call `retry` with a file that could not be read to its end. `opener` finds the site of each file.

        With `reanalyse` a file that was analysed before is analysed again, and replaces the earlier analysis; else it
        is only counted.
        """
        self._writer, self._history, self._audio, self._stop = writer, history, audio, stop
        self._opener, self._retry, self._reanalyse = opener, retry, reanalyse
        self._analysed_now: set[str] = set()
        """Recordings that this scan has analysed. Another copy of one is not analysed again."""
        self._jobs = len(detectors)
        self._detectors: SimpleQueue[Detector] = SimpleQueue()
        for detector in detectors:
            self._detectors.put(detector)
        self._written_until_s = 0.0
        self._failure: Exception | None = None
        self._has_warned_of_clock = False

    def scan(self, files: Iterable[FoundFile]) -> None:
        """Analyse every file that this model has not analysed before. A file that cannot be read is only recorded."""
        room = Semaphore(FILES_AHEAD * self._jobs)
        # One thread more than detectors: it opens and reads the next file while no detector is free.
        with ThreadPoolExecutor(self._jobs + 1, "analysis") as ahead, ThreadPoolExecutor(1, "results") as in_order:
            for file in files:
                if self._stop.is_set():
                    break
                job = FileJob(file, self._opener, self._analyse)
                if self._is_counted(job):
                    continue
                room.acquire()
                turn = in_order.submit(self._take_turn, job, ahead.submit(self._prepare, job))
                turn.add_done_callback(lambda _: room.release())
        if self._failure:
            raise self._failure
        self._history.flush()

    def _is_counted(self, job: "FileJob") -> bool:
        """Count a file that has not changed since it was analysed. A card that is scanned again may have very many."""
        with suppress(UnreadableError):  # its turn reports it
            check_kind(job.file.path)
            if previous := self._unchanged(job):
                self._count_known(previous)
                return True
        return False

    def _prepare(self, job: "FileJob") -> None:
        """Read and analyse a file before its turn. Only its turn decides how it is counted, and reports its errors."""
        with suppress(UnreadableError):
            check_kind(job.file.path)
            if not (self._stop.is_set() or self._same_content(job)):
                read_ahead(job.file.path)
                job.began_s = time.monotonic()
                job.results  # noqa: B018 (the property stores its value)

    def _take_turn(self, job: "FileJob", prepared: "Future[None]") -> None:
        try:
            prepared.result()
            if not self._stop.is_set():
                self._finish(job)
        except UnreadableError as error:
            self._write_unreadable(job.file, error)
        except Exception as error:  # any error: `scan` raises it, after the source of the files was stopped
            self._failure = self._failure or error
            self._stop.set()

    def _finish(self, job: "FileJob") -> None:
        check_kind(job.file.path)
        if previous := self._unchanged(job):
            self._count_known(previous)
        elif previous := self._same_content(job):
            self._remember(job, previous)
            self._count_known(previous)
        else:
            self._write(job, self._find_content(job.sound))

    # A file that is known before its turn is known in its turn: no result that is written in between changes that.

    def _unchanged(self, job: "FileJob") -> PreviousAnalysis | None:
        previous = self._history.find_unchanged(job.fingerprint) if job.fingerprint else None
        return previous if previous and not self._is_outdated(previous) else None

    def _same_content(self, job: "FileJob") -> PreviousAnalysis | None:
        previous = self._find_content(job.sound)
        is_known = previous and (previous.is_better or (previous.is_same and not self._is_outdated(previous)))
        return previous if is_known else None

    def _find_content(self, sound: AudioFile) -> PreviousAnalysis | None:
        if previous := self._history.find(sound.identity):
            return previous
        return self._history.find_former(sound.former_identity()) if self._history.has_former_marks else None

    def _remember(self, job: "FileJob", previous: PreviousAnalysis) -> None:
        """Record how the file is recognised sooner by the next scan."""
        if job.fingerprint:
            self._history.add_fingerprint(job.fingerprint, previous.recording)
        if previous.is_former and previous.is_same:
            self._history.adopt(previous.recording, job.sound.identity)

    def _is_outdated(self, previous: PreviousAnalysis) -> bool:
        is_earlier = previous.recording not in self._analysed_now
        return self._reanalyse and not previous.is_replaced and is_earlier

    def _has_other_settings(self, previous: PreviousAnalysis) -> bool:
        return previous.config_hash != self._writer.provenance.config_hash

    def _count_known(self, previous: PreviousAnalysis) -> None:
        self._writer.summary.add_known(
            is_unreadable=not previous.is_whole,
            # A journal of an early version has no hash of the settings.
            has_other_settings=bool(previous.config_hash) and self._has_other_settings(previous),
        )

    def _analyse(self, sound: AudioFile) -> list[PipelineOutput] | None:
        """Analyse a file as soon as a detector is free. Return None if `stop` was set before its end."""
        detector = self._detectors.get()
        results = []
        try:
            for result in analyse(sound, detector, self._audio.channel):
                if self._stop.is_set():
                    return None
                results.append(result)
        finally:
            self._detectors.put(detector)
        return results

    def _write(self, job: "FileJob", previous: PreviousAnalysis | None) -> None:
        """Write all results of a file in one transaction: after a crash the file is analysed again."""
        file, sound, results = job.file, job.sound, job.results
        if results is None:
            return
        error = results[-1].read_error
        if (error and error.reason == INTERRUPTED) or not is_unchanged(sound):
            detail = f"{sound.path} changed or was removed during the analysis; the next scan analyses it again"
            self._leave(file, detail)
            return
        done = AnalysedFile(
            sound.recording,
            sound.file_bytes,
            sound.identity,
            job.fingerprint,
            is_whole=error is None,
            replaces=previous.recording if previous else None,
            owner=job.opened.owner,
        )
        self._writer.write(results, done)
        self._analysed_now.add(sound.recording.id)
        self._count_new(job)
        if error:
            self._writer.write_unreadable(file, error)
        self._warn_of_clock(sound)

    def _count_new(self, job: "FileJob") -> None:
        now_s = time.monotonic()
        self._writer.summary.add_new(now_s - max(job.began_s, self._written_until_s))
        self._written_until_s = now_s

    def _warn_of_clock(self, sound: AudioFile) -> None:
        if sound.recording.clock_source == ClockSource.UNKNOWN and not self._has_warned_of_clock:
            self._has_warned_of_clock = True
            log.warning(
                "times in file names are read as UTC; set audio.utc_offset to the offset of the recorder's clock"
            )

    def _write_unreadable(self, file: FoundFile, error: UnreadableError) -> None:
        if error.reason == INTERRUPTED:
            self._leave(file, str(error))
        elif error.reason == NO_SITE:
            self._writer.leave_for_next_scan(NO_SITE, str(error))
        elif error.reason != OTHER_FILE:
            self._writer.write_unreadable(file, error)

    def _leave(self, file: FoundFile, detail: str) -> None:
        self._writer.leave_for_next_scan(INTERRUPTED, detail)
        self._retry(file)


class FileJob:
    """A file with its fingerprint, sound and results. Each value is computed once, when it is first read.

    `functools.cached_property` would not do: before Python 3.12 all objects share its lock, so only one file would be
    analysed at a time. A job is in one thread at a time.
    """

    def __init__(
        self, file: FoundFile, opener: SiteOpener, analyse: Callable[[AudioFile], list[PipelineOutput] | None]
    ) -> None:
        self.file, self._opener, self._analyse = file, opener, analyse
        self.began_s = time.monotonic()
        self._fingerprint: bytes | None = None
        self._has_fingerprint = False
        self._opened: OpenedFile | None = None
        self._results: list[PipelineOutput] | None = None

    @property
    def fingerprint(self) -> bytes | None:
        """The quick fingerprint: it is made without reading much of the file. None if that is not enough for it."""
        if not self._has_fingerprint:
            file = self.file
            self._fingerprint = quick_fingerprint(file.path, file.name, file.size, file.mtime_ns)
            self._has_fingerprint = True
        return self._fingerprint

    @property
    def opened(self) -> OpenedFile:
        """The opened file and whose its rows are.

        Raises UnreadableError if it cannot be analysed.
        """
        if self._opened is None:
            self._opened = self._opener.open(self.file)
        return self._opened

    @property
    def sound(self) -> AudioFile:
        """The opened file.

        Raises UnreadableError if it cannot be analysed.
        """
        return self.opened.sound

    @property
    def results(self) -> list[PipelineOutput] | None:
        """The results of the analysis; None if the program was stopped before its end."""
        if self._results is None:
            self._results = self._analyse(self.sound)
        return self._results
