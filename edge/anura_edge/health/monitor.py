"""Says how the device is: to the base station, to the service manager's watchdog and to Prometheus."""

import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Thread

from anura_edge import wire
from anura_edge.clips.recorder import ClipRecorder
from anura_edge.clocks.monotonic import monotonic_s
from anura_edge.config.device import Config
from anura_edge.delivery.worker import DeliveryWorker
from anura_edge.dsp.gating import Saving
from anura_edge.events import EffortState
from anura_edge.health import prometheus
from anura_edge.health.disk import DiskWatch
from anura_edge.health.heartbeats import Heartbeats, Stage
from anura_edge.health.power import PowerWatch
from anura_edge.store.writer import ResultWriter
from anura_edge.system import hardware, systemd

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
"""How often the stages are looked after, if the service manager does not want it more often."""

SILENCE_S = 30.0
"""A microphone that gives nothing for this long is a problem; it is opened again long before."""

_HUNG = {
    Stage.INPUT: "no audio comes and no file is read; check the microphone or the card",
    Stage.MODEL: "the model does not answer",
    Stage.DELIVERY: "the delivery hangs",
}

_THROTTLED = {
    1 << 0: "the supply voltage is too low; check the battery and the cable",
    1 << 2: "the processor is slowed down",
    1 << 3: "the processor is hot and slowed down; give it shade",
}


class Monitor:
    """A thread that looks at everything and stands in nobody's way."""

    def __init__(
        self,
        config: Config,
        writer: ResultWriter,
        worker: DeliveryWorker | None,
        heartbeats: Heartbeats,
        clips: ClipRecorder | None,
        saving: Saving,
    ) -> None:
        self._config, self._writer, self._courier, self._heartbeats = config, writer, worker, heartbeats
        self._disk = DiskWatch(config, writer, clips)
        self._saving, self._power = saving, PowerWatch(config.energy.battery, saving, writer)
        self._clips = clips
        self._stop = Event()
        self._thread = Thread(target=self._run, name="monitor", daemon=True)
        self._began = time.monotonic()
        self._backlog = Backlog()
        self._fed = True
        self._due = 0.0
        self._failure = ""

    def start(self) -> None:
        """Say that the device is ready, and begin to look."""
        systemd.notify(systemd.READY)
        self._thread.start()

    def stop(self) -> None:
        """Say that the device stops, and end."""
        systemd.notify(systemd.STOPPING)
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        watchdog_s = systemd.watchdog_s()
        # sd_watchdog_enabled(3) recommends half the time that the manager waits.
        look_every_s = min(LOOK_EVERY_S, self._config.health.interval_s, (watchdog_s or LOOK_EVERY_S) / 2)
        while not self._stop.is_set():
            looks = self._disk.look, self._power.look
            for task in (self._feed_watchdog, *looks, self._relieve_keeper, self._report_when_due):
                self._attempt(task)
            self._stop.wait(look_every_s)

    def _attempt(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:  # whatever it is: without this thread the watchdog ends a device that hears well
            if str(error) != self._failure:
                log.warning("cannot look after the device: %s", error)
            self._failure = str(error)

    def _relieve_keeper(self) -> None:
        if self._writer.is_full:
            self._writer.try_again()

    def _report_when_due(self) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + self._config.health.interval_s
            self._report()

    def _feed_watchdog(self) -> None:
        late = self._heartbeats.overdue()
        if not late:
            systemd.notify(systemd.WATCHDOG)
        elif self._fed:
            log.error("%s; the watchdog is fed no more", "; ".join(_HUNG[stage] for stage in late))
        self._fed = not late

    def _report(self) -> None:
        health = self.health()
        systemd.notify(systemd.status("; ".join(health.problems) or f"well; {health.pending} rows wait"))
        if self._courier:
            self._courier.publish_health(health)
        if path := self._config.health.prometheus_file:
            prometheus.write(path, health)

    def health(self) -> wire.Health:
        """Look at everything.

        Raises JournalError if the journal cannot be read.
        """
        heartbeats, writer = self._heartbeats, self._writer
        provenance, journal = writer.provenance, writer.journal
        pending = journal.pending_count()
        return wire.Health(
            utc=datetime.now(UTC),
            every_s=self._config.health.interval_s,
            problems=tuple(self._problems(pending)),
            boot_id=hardware.boot_id(),
            uptime_s=monotonic_s(),
            running_s=self._running_s,
            app_version=provenance.app_version,
            model_sha256=provenance.model_sha256,
            config_hash=provenance.config_hash,
            since_sample_s=heartbeats.since_sample_s,
            since_inference_s=heartbeats.since_inference_s,
            real_time_factor=heartbeats.real_time_factor,
            overruns=heartbeats.overruns,
            provider=heartbeats.provider,
            analysed_s=writer.seconds(EffortState.ANALYSED),
            dropped_s=writer.seconds(EffortState.DROPPED),
            gated_s=writer.seconds(EffortState.GATED),
            paused_s=writer.seconds(EffortState.PAUSED),
            gaps=writer.gaps,
            overflows=heartbeats.overflows,
            drift_ppm=heartbeats.drift_ppm,
            pending=pending,
            oldest_pending_s=self._backlog.age_s(journal.floor(), pending),
            disk_free_bytes=self._disk.space and self._disk.space.free_bytes,
            disk_free_inodes=self._disk.space and self._disk.space.free_inodes,
            clips_saved=self._clips and self._clips.saved,
            clips_dropped=self._clips and self._clips.dropped,
            energy_step=self._saving.step,
            battery_percent=self._power.power.battery_percent,
            on_battery=self._power.power.on_battery,
            memory_bytes=hardware.memory_bytes(),
            temperature_c=hardware.temperature_c(),
            throttled=hardware.throttled_bits(),
            clock_synchronised=hardware.clock_synchronised(),
        )

    @property
    def _running_s(self) -> float:
        return time.monotonic() - self._began

    def _problems(self, pending: int) -> list[str]:
        problems = [_HUNG[stage] for stage in self._heartbeats.overdue()]
        since_sample_s = self._heartbeats.since_sample_s
        silent_s = self._running_s if since_sample_s is None else since_sample_s
        if self._heartbeats.is_live and silent_s > SILENCE_S:
            problems.append(f"no audio for {silent_s:.0f} s; check the microphone")
        if self._courier and self._courier.problem:
            problems.append(f"{pending} rows wait: {self._courier.problem}")
        if self._writer.is_full:
            problems.append("the disk is full: what is heard waits in memory until there is room; make some")
        if self._disk.problem:
            problems.append(self._disk.problem)
        if (factor := self._heartbeats.real_time_factor or 0.0) > 1:
            problems.append(f"the model needs {factor:.1f} s for a second of audio; choose a smaller one")
        bits = hardware.throttled_bits() or 0
        problems += [text for bit, text in _THROTTLED.items() if bits & bit]
        return [problem[: wire.MAX_TEXT] for problem in problems]


class Backlog:
    """How long the oldest row that waits has waited, known from looking now and then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # At one a minute, a week: a row that waits longer has waited for a week at least.
        self._looks: deque[tuple[int, float]] = deque(maxlen=7 * 24 * 60)

    def age_s(self, floor: int, pending: int) -> float | None:
        """Return how long row `floor` has waited at least, when `pending` rows wait; None if none does."""
        now, known = self._clock(), floor + pending  # all rows with lower numbers have come by now
        if not self._looks or known > self._looks[-1][0]:
            self._looks.append((known, now))
        while self._looks and self._looks[0][0] <= floor:
            self._looks.popleft()
        return now - self._looks[0][1] if self._looks else None
