"""Assemble the health message from all parts of the device."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from anura_edge import wire
from anura_edge.clips.clip_writer import ClipWriter
from anura_edge.clocks.monotonic import monotonic_s
from anura_edge.config.operation import HealthSettings
from anura_edge.delivery.worker import DeliveryWorker
from anura_edge.events import EffortState
from anura_edge.health.backlog import BacklogAge
from anura_edge.health.disk import DiskWatch
from anura_edge.health.heartbeats import Heartbeats, Stage
from anura_edge.health.power import PowerWatch
from anura_edge.health.settings_trial import SettingsTrial
from anura_edge.store.writer import ResultWriter
from anura_edge.system import hardware

SILENCE_S = 30.0
"""A microphone without audio for this long is a problem. It is reopened long before."""

HUNG = {
    Stage.INPUT: "no audio comes and no file is read; check the microphone or the card",
    Stage.MODEL: "the model does not answer",
    Stage.DELIVERY: "the delivery hangs",
}

_THROTTLED = {
    1 << 0: "the supply voltage is too low; check the battery and the cable",
    1 << 2: "the processor is slowed down",
    1 << 3: "the processor is hot and slowed down; give it shade",
}


@dataclass(frozen=True, slots=True)
class DeviceParts:
    """The parts of a running device that the monitor checks."""

    settings: HealthSettings
    writer: ResultWriter
    delivery: DeliveryWorker | None
    heartbeats: Heartbeats
    clips: ClipWriter | None
    disk: DiskWatch
    power: PowerWatch
    settings_trial: SettingsTrial | None = None


class HealthReport:
    """Reads the state of a device's parts."""

    def __init__(self, parts: DeviceParts) -> None:
        self._parts = parts
        self._started_s = time.monotonic()
        self._backlog = BacklogAge()

    def read(self) -> wire.Health:
        """Return the health of the device now.

        Raises JournalError if the journal cannot be read.
        """
        parts, heartbeats, writer = self._parts, self._parts.heartbeats, self._parts.writer
        provenance, journal, space, supply = writer.provenance, writer.journal, parts.disk.space, parts.power.supply
        pending = journal.outbox.pending_count()
        return wire.Health(
            utc=datetime.now(UTC),
            every_s=parts.settings.interval_s,
            problems=tuple(self._problems(pending)),
            boot_id=hardware.boot_id(),
            machine=hardware.machine_id(),
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
            oldest_pending_s=self._backlog.age_s(journal.outbox.floor(), pending),
            disk_free_bytes=space and space.free_bytes,
            disk_free_inodes=space and space.free_inodes,
            clips_saved=parts.clips and parts.clips.saved,
            clips_dropped=parts.clips and parts.clips.dropped,
            clips_withheld=parts.clips and parts.clips.withheld,
            energy_step=parts.power.step,
            battery_percent=supply.battery_percent,
            on_battery=supply.on_battery,
            memory_bytes=hardware.memory_bytes(),
            temperature_c=hardware.temperature_c(),
            throttled=hardware.throttled_bits(),
            clock_synchronised=hardware.clock_synchronised(),
        )

    @property
    def _running_s(self) -> float:
        return time.monotonic() - self._started_s

    def _problems(self, pending: int) -> list[str]:
        parts = self._parts
        problems = [HUNG[stage] for stage in parts.heartbeats.overdue()]
        since_sample_s = parts.heartbeats.since_sample_s
        silent_s = self._running_s if since_sample_s is None else since_sample_s
        if parts.heartbeats.is_live and silent_s > SILENCE_S:
            problems.append(f"no audio for {silent_s:.0f} s; check the microphone")
        if parts.delivery and parts.delivery.problem:
            problems.append(f"{pending} rows wait: {parts.delivery.problem}")
        if parts.writer.is_full:
            problems.append("the disk is full: new results wait in memory until there is room; make room")
        if parts.disk.problem:
            problems.append(parts.disk.problem)
        if (factor := parts.heartbeats.real_time_factor or 0.0) > 1:
            problems.append(f"the model needs {factor:.1f} s for a second of audio; choose a smaller one")
        bits = hardware.throttled_bits() or 0
        problems += [text for bit, text in _THROTTLED.items() if bits & bit]
        return [problem[: wire.MAX_TEXT] for problem in problems]
