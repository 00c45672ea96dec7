"""Listens until there is nothing more to hear, and keeps what was heard."""

import fcntl
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import IO, TypeVar

from anura_edge import __version__
from anura_edge.audio import ClockSource, Recording
from anura_edge.bundle import load_bundle
from anura_edge.classifier import load_classifier
from anura_edge.config import Config
from anura_edge.delivery import Courier
from anura_edge.detector import Detector
from anura_edge.errors import JournalError, SourceError, UnreadableError
from anura_edge.events import EffortState
from anura_edge.journal import Journal, Row
from anura_edge.pipeline import Heard, listen
from anura_edge.sources.files import OTHER_FILE, FileSound, is_same, open_file
from anura_edge.sources.folder import FoundFile
from anura_edge.sources.microphone import Microphone, find
from anura_edge.wire import EventRow, Provenance, Status

log = logging.getLogger(__name__)

DEFAULT_BUNDLE = Path(__file__).parent / "bundles" / "frogs-eastern-north-america"

FILE_BLOCK_S = 60.0
"""A file is scored a minute at a time: long enough to keep the CPU busy, short enough for a small memory."""

MICROPHONE_BLOCK_S = 0.25
"""A microphone is scored four times a second: soon enough for a person, seldom enough for a battery."""

DELIVERY_PATIENCE_S = 10.0
"""After a finite scan, wait for the base station as long as it makes progress at least this often."""


Number = TypeVar("Number", int, float)


@dataclass(slots=True)
class Summary:
    """What a run did."""

    new: int = 0
    """Recordings analysed."""
    known: int = 0
    """Recordings that this model had analysed before."""
    unreadable: dict[str, int] = field(default_factory=dict)
    """New files that could not be analysed, by reason."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Audio by what became of it."""
    events: dict[str, int] = field(default_factory=dict)
    """New events by scientific name."""
    elapsed_s: float = 0.0
    """Time spent on recordings."""
    pending: int = 0
    """Rows that nobody has acknowledged yet."""
    problem: str | None = None
    """Why they wait."""

    @property
    def times_real_time(self) -> float:
        """Seconds of audio analysed per second of work."""
        return self.seconds.get(EffortState.ANALYSED, 0.0) / self.elapsed_s if self.elapsed_s else 0.0


class Daemon:
    """A device at work: model, journal and courier, ready to be given something to hear. A context manager."""

    def __init__(self, config: Config, on_event: Callable[[EventRow], None], stop: Event) -> None:
        """Load the model and open the journal.

        Raises ModelError, JournalError or ConfigError.
        """
        self._config, self._on_event, self._stop = config, on_event, stop
        self._bundle = load_bundle(config.model.bundle or DEFAULT_BUNDLE)
        self._classifier = load_classifier(self._bundle, config.model.threads)
        manifest, sha256 = self._bundle.manifest, self._bundle.model_sha256
        self._made_by = Provenance(manifest.id, manifest.version, sha256, config.hash(), __version__)
        self._alone = _alone(config.journal_path)
        self.journal = Journal(config.journal_path)
        self.courier: Courier | None = None
        if config.mqtt:
            birth = Status(
                state="online",
                since_utc=datetime.now(UTC),
                app_version=__version__,
                model_id=manifest.id,
                model_sha256=sha256,
            )
            self.courier = Courier(self.journal, config, config.mqtt, birth)
        self.summary = Summary()
        self._warned_of_clock = False

    def __enter__(self) -> "Daemon":
        if self.courier:
            self.courier.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.summary.problem = self.courier.problem if self.courier else "no broker is set"
        if self.courier:
            self.courier.stop()
        self.summary.pending = self.journal.pending_count()
        self.journal.close()
        self._alone.close()

    def hear_files(self, files: Iterable[FoundFile]) -> None:
        """Analyse every file that this model has not analysed before; a bad one is noted, and the rest goes on."""
        detector = self._detector(FILE_BLOCK_S)
        for file in files:
            if self._stop.is_set():
                return
            try:
                sound = open_file(file.path, file.name, self._config.audio.zone)
            except UnreadableError as error:
                self._set_aside(file, error)
                continue
            if self.journal.has_recording(sound.recording.id, self._bundle.model_sha256):
                self.summary.known += 1
            else:
                self._hear_file(sound, file, detector)

    def _hear_file(self, sound: FileSound, file: FoundFile, detector: Detector) -> None:
        """Analyse a file and keep the whole result at once: after a crash it is simply analysed again."""
        began = time.monotonic()
        heard = []
        for part in listen(sound, detector, self._config.audio.channel):
            if self._stop.is_set():
                return
            heard.append(part)
        if not is_same(sound):
            log.warning("%s changed or went away while it was heard; the next scan hears it again", sound.path)
            return
        self._keep(heard, done=sound.recording)
        self.summary.new += 1
        self.summary.elapsed_s += time.monotonic() - began
        if error := heard[-1].broken_off:
            self._set_aside(file, error)
        if sound.recording.clock_source == ClockSource.UNKNOWN and not self._warned_of_clock:
            self._warned_of_clock = True
            log.warning("times in file names are read as UTC; set audio.utc_offset to what the recorder's clock kept")

    def hear_microphone(self) -> None:
        """Listen until told to stop.

        Raises SourceError if there is no such microphone, or when it is gone.
        """
        audio = self._config.audio
        channel = 0 if audio.channel == "loudest" else audio.channel
        with Microphone(find(audio.microphone), channel, self._stop) as sound:
            log.info("listening to %s at %d Hz", sound.recording.name, sound.recording.rate_hz)
            began = time.monotonic()
            for heard in listen(sound, self._detector(MICROPHONE_BLOCK_S), channel):
                if heard.events or heard.efforts:
                    self._keep([heard])
                if heard.broken_off:
                    raise SourceError(f"{heard.broken_off}; check its cable, then start again")
            self.summary.new += 1
            self.summary.elapsed_s += time.monotonic() - began
            if sound.overflows:
                log.warning(
                    "%s lost audio %d times, for how long it does not say", sound.recording.name, sound.overflows
                )

    def wait_for_delivery(self) -> None:
        """Wait until all rows are acknowledged, or nothing has moved for a while."""
        fewest, since = inf, time.monotonic()
        while self.courier and (pending := self.journal.pending_count()) and not self._stop.wait(0.05):
            if pending < fewest:
                fewest, since = pending, time.monotonic()
            if time.monotonic() - since > DELIVERY_PATIENCE_S:
                return

    def _detector(self, block_s: float) -> Detector:
        return Detector(self._bundle, self._classifier, self._config.detect, block_s)

    def _keep(self, heard: Iterable[Heard], done: Recording | None = None) -> None:
        parts = [*heard]
        events = [event for part in parts for event in part.events]
        efforts = [effort for part in parts for effort in part.efforts]
        rows: list[Row] = self.journal.commit(events, efforts, self._made_by, done)
        if self.courier:
            self.courier.wake()
        for row in rows:
            if isinstance(row, EventRow):
                _add(self.summary.events, row.scientific_name, 1)
                self._on_event(row)
            else:
                _add(self.summary.seconds, row.state, row.samples / row.rate_hz)

    def _set_aside(self, file: FoundFile, error: UnreadableError) -> None:
        is_news = self.journal.set_aside(file.name, file.size, file.mtime_ns, error.reason, str(error))
        if is_news and error.reason != OTHER_FILE:
            _add(self.summary.unreadable, error.reason, 1)
            log.warning("%s: %s", error.reason, error)


def _alone(journal: Path) -> IO[bytes]:
    """Keep a second process off the journal: two devices of one name would throw each other off the broker.

    Raises JournalError if there is one, or if the folder cannot be written.
    """
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        lock = journal.with_suffix(".lock").open("wb")
    except OSError as error:
        raise JournalError(f"cannot use the journal {journal}: {error.strerror}; set state_dir") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise JournalError(f"another anura-edge uses {journal}; stop it, or give this one its own state_dir") from error
    return lock


def _add(counts: dict[str, Number], key: str, amount: Number) -> None:
    counts[key] = counts.get(key, 0) + amount
