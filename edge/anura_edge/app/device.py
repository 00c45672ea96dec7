"""The device program: it connects the model, the journal, the delivery, the clips and the health monitor."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from math import inf
from pathlib import Path
from threading import Event
from types import TracebackType
from uuid import uuid5

from anura_edge import __version__
from anura_edge.app import scan_files
from anura_edge.app.lock import acquire_lock
from anura_edge.app.preflight import check_settings
from anura_edge.app.run_microphone import MicrophoneSession
from anura_edge.app.site_opener import SiteOpener
from anura_edge.clips.clip_writer import ClipWriter
from anura_edge.clips.finder import ClipFinder
from anura_edge.clips.store import ClipStore
from anura_edge.clips.voice import VoiceFilter
from anura_edge.clocks.sample_clock import Clock
from anura_edge.config.device import Config
from anura_edge.config.operation import MqttSettings
from anura_edge.config.remote_settings import RemoteSettings
from anura_edge.delivery.clip_upload import ClipUploader
from anura_edge.delivery.model_download import ModelDownloader
from anura_edge.delivery.updates import SettingsReceiver, UpdateReceiver
from anura_edge.delivery.worker import DeliveryWorker
from anura_edge.detection.detector import Detector
from anura_edge.dsp.gating import EnergyState
from anura_edge.dsp.night_schedule import SunPlace
from anura_edge.errors import JournalFullError
from anura_edge.events import NAMESPACE, Notice, NoticeKind
from anura_edge.health.disk import DiskWatch, shortfall
from anura_edge.health.heartbeats import Heartbeats, InstrumentedDetector, Stage
from anura_edge.health.monitor import Monitor
from anura_edge.health.power import PowerWatch
from anura_edge.health.report import DeviceParts
from anura_edge.health.settings_trial import SettingsTrial
from anura_edge.inference.bundle import provenance_of
from anura_edge.inference.manifest import Manifest
from anura_edge.sources.files.scan import FoundFile
from anura_edge.sources.files.watch import WatchedFolder
from anura_edge.sources.microphone.reconnect import OpenCapture
from anura_edge.store.clip_index import ClipIndex
from anura_edge.store.recovery import open_journal
from anura_edge.store.retention import Retention
from anura_edge.store.run_summary import RunSummary
from anura_edge.store.scan_history import ScanHistory
from anura_edge.store.writer import ResultWriter
from anura_edge.system import systemd
from anura_edge.system.hardware import machine_id, space
from anura_edge.updates.active import ActiveModel
from anura_edge.updates.slots import ModelSlots
from anura_edge.wire import MAX_TEXT, EventRow, Status

log = logging.getLogger(__name__)

DELIVERY_TIMEOUT_S = 10.0
"""After a scan the program ends when no row was acknowledged for this long."""


class DeviceRuntime:
    """Holds all parts of the device program, ready to analyse files or audio from a microphone. A context manager."""

    def __init__(
        self, config: Config, on_event: Callable[[EventRow], None], stop: Event, own: Config | None = None
    ) -> None:
        """Load the model and open the journal. `on_event` gets each new event.

        `own` are the settings without the changes of the base station, if `config` contains any.

        Raises ModelError, JournalError or ConfigError.
        """
        self._config, self._own, self._stop = config, own or config, stop
        self._remote = RemoteSettings(config.state_path)
        self._active = ActiveModel(config)
        self._bundle, self._classifier = self._active.bundle, self._active.model
        self._lock = acquire_lock(config.journal_path)
        self._clip_store = self._open_clip_store()  # before the journal, which needs some space
        self.journal = open_journal(config.journal_path, config.device.owner)
        with suppress(JournalFullError):  # then the next start tells
            if self.journal.database.belong_to(machine_id()):
                log.warning("another computer used this journal; it goes on under the new id %s", self.journal.id)
        self.heartbeats = Heartbeats(config.health.watchdog_timeout_s)
        self.heartbeats.provider = self._classifier.provider
        self._clip_index = ClipIndex(self.journal.database)
        self._voice = VoiceFilter(config.clips.voice_model_file) if config.clips.voice_model_file else None
        self._clip_finder = ClipFinder(self._clip_index, config.clips_path, config.clips, config.audio, self._voice)
        self.delivery = self._delivery_worker()
        self._retention = Retention(self.journal.database, config.journal, self.journal.owner)
        self._clips = self._clip_recorder(self._clip_store) if self._clip_store else None
        self._writer = ResultWriter(
            self.journal, provenance_of(self._bundle, config.hash()), self._also_saved(on_event), self._on_commit
        )
        self._tell_refused_model()
        self._power_state = EnergyState()
        self._monitor = Monitor(self._parts())

    @property
    def summary(self) -> RunSummary:
        """What this run did until now."""
        return self._writer.summary

    @property
    def manifest(self) -> Manifest:
        """Manifest of the model."""
        return self._bundle.manifest

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
        if error is None and self.summary.new:
            self._active.confirm()
        if self._clips:
            self._clips.stop()
        self._monitor.publish_last()
        problem = self.delivery.problem if self.delivery else "no broker is set"
        if self.delivery:
            self.delivery.stop()
        self.summary.finish(self.journal.outbox.pending_count(), problem)
        self.journal.close()
        self._lock.close()

    def scan_files(
        self,
        files: Iterable[FoundFile],
        retry: Callable[[FoundFile], None] = lambda _: None,
        *,
        reanalyse: bool = False,
        jobs: int = 1,
        opener: SiteOpener | None = None,
    ) -> None:
        """Analyse every file that this model has not analysed before. A file that cannot be read is only recorded.

        `retry` is called with a file that could not be read to its end this time. With `reanalyse` a file that was
        analysed before is analysed again, and replaces the earlier analysis; else it is only counted.
        `jobs` files are analysed at a time, and written in the order in which they were found. `opener` finds the site
        of each file; by default all are of the device's own site.
        """
        detectors = [self._detector(scan_files.BLOCK_S) for _ in range(jobs)]
        history = ScanHistory(self.journal.database, self._bundle.model_sha256)
        audio, opener = self._config.audio, opener or SiteOpener(self._config)
        scanner = scan_files.FileScanner(
            self._writer, history, detectors, opener, audio, self._stop, retry, reanalyse=reanalyse
        )
        scanner.scan(self._with_heartbeats(files))
        self.heartbeats.remove(Stage.INPUT)

    def folder(self, root: Path) -> WatchedFolder:
        """Return a folder that yields its finished files. Unfinished files are counted as left."""
        heartbeat = partial(self.heartbeats.record, Stage.INPUT)
        self._clip_finder.add_root(root)
        return WatchedFolder(root, self._config.watch, self._stop, self._writer.leave_for_next_scan, heartbeat)

    def report_left(self, reason: str, detail: str) -> None:
        """Log and count something that waits for another scan."""
        self._writer.leave_for_next_scan(reason, detail)

    def run_microphone(self, open_capture: OpenCapture | None = None, clock: Clock | None = None) -> None:
        """Analyse a microphone until `stop` is set. `open_capture` and `clock` simulate a device and its time.

        Raises SourceError if this machine cannot record at all.
        """
        config = self._config
        self.heartbeats.is_live = True
        MicrophoneSession(
            self._writer,
            self._detector(config.audio.block_s, is_live=True),
            config.audio,
            config.energy,
            self._power_state,
            self._stop,
            self.heartbeats,
            clips=self._clips,
            place=_place(config),
            open_capture=open_capture,
            clock=clock,
        ).run()
        self.heartbeats.remove(Stage.INPUT)

    def wait_for_delivery(self) -> None:
        """Wait until all rows are acknowledged, or no row was for `DELIVERY_TIMEOUT_S`."""
        fewest, since_s = inf, time.monotonic()
        while self.delivery and (pending := self.journal.outbox.pending_count()) and not self._stop.wait(0.05):
            if pending < fewest:
                fewest, since_s = pending, time.monotonic()
            if time.monotonic() - since_s > DELIVERY_TIMEOUT_S:
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
            power=PowerWatch(config.energy.battery, self._power_state, self._writer),
            settings_trial=SettingsTrial(self._remote, self._restart),
        )

    def _delivery_worker(self) -> DeliveryWorker | None:
        if not (mqtt := self._config.mqtt):
            return None
        device, zone = self._config.device, self._config.audio.zone or UTC
        clips = ClipUploader(self._clip_finder, self._clip_index, self._config.clips, device, zone)
        heartbeat = partial(self.heartbeats.record, Stage.DELIVERY)
        # After a fault of the journal the program ends with its error. The next start recovers the journal.
        on_broken_journal = self._stop.set
        updates = self._update_receiver(mqtt)
        status = self._online_status()
        return DeliveryWorker(self.journal, device, mqtt, status, clips, heartbeat, on_broken_journal, updates)

    def _update_receiver(self, mqtt: MqttSettings) -> UpdateReceiver:
        slots = ModelSlots(self._config.models_path)
        models = ModelDownloader(slots, self._config.model, self._wake_delivery, self._restart)
        restart = self._restart if systemd.is_service() else None
        settings = SettingsReceiver(self._remote, self._own, check_settings, restart)
        return UpdateReceiver(models, settings, self._config.device, mqtt.ack_key())

    def _wake_delivery(self) -> None:
        if self.delivery:
            self.delivery.wake()

    def _restart(self, reason: str) -> None:
        """End the program, if it is a service: what started it starts it again."""
        if systemd.is_service():
            log.info("this program ends and starts again %s", reason)
            self._stop.set()

    def _open_clip_store(self) -> ClipStore | None:
        """Open the folder of clips, and delete some if the disk is nearly full."""
        config = self._config
        if not config.clips.enabled:
            return None
        store = ClipStore(config.clips_path, config.clips, config.audio.zone or UTC)
        store.free_space(shortfall(space(config.clips_path), config.disk, was_low=False))
        return store

    def _clip_recorder(self, store: ClipStore) -> ClipWriter:
        config = self._config
        max_call_s, add = config.detect.max_call_s, self._clip_index.add
        return ClipWriter(config.clips, store, max_call_s, add, self._voice, self._withhold)

    def _withhold(self, events: list[EventRow], length_s: float) -> None:
        """Record that a clip contains speech, and tell the base station."""
        self._clip_index.withhold(events)
        calls = ", ".join(dict.fromkeys(event.label for event in events))
        detail = f"a clip of {calls} contains speech, so it is neither stored nor sent; its event is"
        event = events[0]
        notice = Notice(
            uuid5(NAMESPACE, f"withheld/{event.id}"),
            NoticeKind.CLIP_WITHHELD,
            event.start_utc,
            detail[:MAX_TEXT],
            event.recording,
            amount=length_s,
        )
        self._writer.write_notice(notice)

    def _also_saved(self, on_event: Callable[[EventRow], None]) -> Callable[[EventRow], None]:
        if not (clips := self._clips):
            return on_event

        def save(event: EventRow) -> None:
            clips.add_event(event)
            on_event(event)

        return save

    def _tell_refused_model(self) -> None:
        """Tell the base station that a model is not used. The id is that of the reason, so it is told once."""
        if reason := self._active.refused:
            notice = Notice(
                uuid5(NAMESPACE, f"refused/{self.journal.id}/{reason}"),
                NoticeKind.MODEL_REFUSED,
                datetime.now(UTC),
                reason[:MAX_TEXT],
            )
            self._writer.write_notice(notice)
            self._active.forget_refused()

    def _on_commit(self) -> None:
        factor = self.heartbeats.real_time_factor if self.heartbeats.is_live else None
        if reason := self._active.record_progress(factor):
            self._restart(f"with the model before: {reason}")
        self._retention.tick()
        self._wake_delivery()

    def _with_heartbeats(self, files: Iterable[FoundFile]) -> Iterator[FoundFile]:
        self.heartbeats.record(Stage.INPUT)
        for file in files:
            self.heartbeats.record(Stage.INPUT)
            yield file

    def _detector(self, block_s: float, *, is_live: bool = False) -> Detector:
        model, detect = self._classifier.clone(), self._config.detect
        return InstrumentedDetector(self.heartbeats, self._bundle, model, detect, block_s, is_live=is_live)

    def _online_status(self) -> Status:
        return Status(
            state="online",
            since_utc=datetime.now(UTC),
            app_version=__version__,
            model_id=self._bundle.manifest.id,
            model_version=self._bundle.manifest.version,
            model_sha256=self._bundle.model_sha256,
            **self._config.device.model_dump(include={"latitude_deg", "longitude_deg", "zone"}),
        )


def _place(config: Config) -> SunPlace | None:
    latitude_deg, longitude_deg = config.device.latitude_deg, config.device.longitude_deg
    return None if latitude_deg is None or longitude_deg is None else SunPlace(latitude_deg, longitude_deg)
