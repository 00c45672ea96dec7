"""A device at work: where the model, the journal, the courier and what is heard come together."""

import fcntl
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from math import inf
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import IO

from anura_edge import __version__
from anura_edge.app import scan_files
from anura_edge.app.listen_microphone import MicrophoneSession
from anura_edge.clips.recorder import ClipRecorder
from anura_edge.clips.store import ClipStore
from anura_edge.clocks.sample_clock import Clock
from anura_edge.config.device import Config
from anura_edge.delivery.worker import DeliveryWorker
from anura_edge.detection.detector import Detector
from anura_edge.dsp.gating import PowerState
from anura_edge.errors import JournalError
from anura_edge.health.disk import DiskWatch
from anura_edge.health.heartbeats import Heartbeats, InstrumentedDetector, Stage
from anura_edge.health.monitor import Monitor
from anura_edge.health.power import PowerWatch
from anura_edge.health.report import DeviceParts
from anura_edge.inference.bundle import DEFAULT_BUNDLE, load_bundle
from anura_edge.inference.classifier import load_classifier
from anura_edge.sources.files.scan import FoundFile
from anura_edge.sources.files.watch import WatchedFolder
from anura_edge.sources.microphone.reconnect import OpenCapture
from anura_edge.store.clip_index import ClipIndex
from anura_edge.store.recovery import open_journal
from anura_edge.store.retention import Retention
from anura_edge.store.writer import ResultWriter, RunSummary
from anura_edge.wire import EventRow, Provenance, Status

DELIVERY_PATIENCE_S = 10.0
"""After a finite scan, wait for the base station as long as it makes progress at least this often."""


class DeviceRuntime:
    """Model, journal and courier, ready to be given something to hear. A context manager."""

    def __init__(self, config: Config, on_event: Callable[[EventRow], None], stop: Event) -> None:
        """Load the model and open the journal.

        Raises ModelError, JournalError or ConfigError.
        """
        self._config, self._stop = config, stop
        self._bundle = load_bundle(config.model.bundle or DEFAULT_BUNDLE, config.model.public_key_file)
        self._classifier = load_classifier(
            self._bundle, config.model.threads, config.model.provider, config.engines_path
        )
        self._alone = acquire_lock(config.journal_path)
        self.journal = open_journal(config.journal_path)
        self.heartbeats = Heartbeats(config.health.watchdog_timeout_s)
        self.heartbeats.provider = self._classifier.provider
        beat = partial(self.heartbeats.record, Stage.DELIVERY)
        self.delivery = (
            # Told to stop, the daemon ends with the journal's error: whoever restarts it recovers what is there.
            DeliveryWorker(self.journal, config, config.mqtt, self._online_status(), beat, stop.set)
            if config.mqtt
            else None
        )
        self._retention = Retention(self.journal, config.journal)
        self._clips = self._recorder() if config.clips.enabled else None
        self._writer = ResultWriter(self.journal, self._made_by(), self._noted(on_event), self._kept)
        self._saving = PowerState()
        self._monitor = Monitor(self._parts())

    @property
    def summary(self) -> RunSummary:
        """What was done so far."""
        return self._writer.summary

    def __enter__(self) -> "DeviceRuntime":
        if self.delivery:
            self.delivery.start()
        if self._clips:
            self._clips.start()
        self._monitor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._monitor.stop()
        self._writer.close()
        if self._clips:
            self._clips.stop()
        self.summary.problem = self.delivery.problem if self.delivery else "no broker is set"
        if self.delivery:
            self.delivery.stop()
        self.summary.pending = self.journal.pending_count()
        self.journal.close()
        self._alone.close()

    def scan_files(
        self,
        files: Iterable[FoundFile],
        retry: Callable[[FoundFile], None] = lambda _: None,
        *,
        again: bool = False,
        jobs: int = 1,
    ) -> None:
        """Analyse every file that this model has not analysed before; a bad one is noted, and the rest goes on.

        `retry` is told of a file that could not be read to its end this time. What was heard under other settings is
        heard `again` in place of what it gave then, or else only counted. `jobs` files are heard at a time, and kept in
        the order in which they come.
        """
        detectors = [self._detector(scan_files.BLOCK_S) for _ in range(jobs)]
        hearing = scan_files.FileScanner(self._writer, detectors, self._config.audio, self._stop, retry, again=again)
        hearing.scan(self._paced(files))
        self.heartbeats.remove(Stage.INPUT)

    def folder(self, root: Path) -> WatchedFolder:
        """Return a folder whose files are yielded when they are finished; what is not is counted as left."""
        beat = partial(self.heartbeats.record, Stage.INPUT)
        if self.delivery:
            self.delivery.clips.add_root(root)
        return WatchedFolder(root, self._config.watch, self._stop, self._writer.leave, beat)

    def run_microphone(self, open_capture: OpenCapture | None = None, clock: Clock | None = None) -> None:
        """Listen until told to stop, to a simulated device and time if they are given.

        Raises SourceError if this machine cannot hear at all.
        """
        detector = self._detector(self._config.audio.block_s, is_live=True)
        self.heartbeats.is_live = True
        MicrophoneSession(
            *(self._writer, detector, self._config.audio, self._config.energy, self._saving),
            *(self._stop, self.heartbeats, self._clips, open_capture, clock),
        ).hear()
        self.heartbeats.remove(Stage.INPUT)

    def wait_for_delivery(self) -> None:
        """Wait until all rows are acknowledged, or nothing has moved for a while."""
        fewest, since = inf, time.monotonic()
        while self.delivery and (pending := self.journal.pending_count()) and not self._stop.wait(0.05):
            if pending < fewest:
                fewest, since = pending, time.monotonic()
            if time.monotonic() - since > DELIVERY_PATIENCE_S:
                return

    def _parts(self) -> DeviceParts:
        config = self._config
        return DeviceParts(
            settings=config.health,
            writer=self._writer,
            delivery=self.delivery,
            heartbeats=self.heartbeats,
            clips=self._clips,
            disk=DiskWatch(config.journal_path.parent, config.disk, self._writer, self._clips),
            power=PowerWatch(config.energy.battery, self._saving, self._writer),
        )

    def _recorder(self) -> ClipRecorder:
        config = self._config
        store = ClipStore(config.clips_path, config.clips, config.audio.zone or UTC)
        return ClipRecorder(config.clips, store, config.detect.max_call_s, ClipIndex(self.journal).note)

    def _noted(self, on_event: Callable[[EventRow], None]) -> Callable[[EventRow], None]:
        if not (clips := self._clips):
            return on_event

        def note(event: EventRow) -> None:
            clips.add_event(event)
            on_event(event)

        return note

    def _kept(self) -> None:
        self._retention.tick()
        if self.delivery:
            self.delivery.wake()

    def _paced(self, files: Iterable[FoundFile]) -> Iterator[FoundFile]:
        self.heartbeats.record(Stage.INPUT)
        for file in files:
            self.heartbeats.record(Stage.INPUT)
            yield file

    def _detector(self, block_s: float, *, is_live: bool = False) -> Detector:
        model, detect = self._classifier.clone(), self._config.detect
        return InstrumentedDetector(self.heartbeats, self._bundle, model, detect, block_s, is_live=is_live)

    def _made_by(self) -> Provenance:
        manifest = self._bundle.manifest
        return Provenance(manifest.id, manifest.version, self._bundle.model_sha256, self._config.hash(), __version__)

    def _online_status(self) -> Status:
        return Status(
            state="online",
            since_utc=datetime.now(UTC),
            app_version=__version__,
            model_id=self._bundle.manifest.id,
            model_sha256=self._bundle.model_sha256,
            **self._config.device.model_dump(include={"latitude_deg", "longitude_deg", "zone"}),
        )


def acquire_lock(journal: Path) -> IO[bytes]:
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
