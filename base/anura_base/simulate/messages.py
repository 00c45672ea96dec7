"""The messages of all simulated devices in a season, in order of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from anura_base.simulate import weather
from anura_base.simulate.device import DeviceSimulator, Season
from anura_base.simulate.fleet import Scenario, SimulatedDevice, make_fleet
from anura_base.simulate.row_builder import PROVENANCE
from anura_edge.wire import Health, Kind, Row, Status, batch, pack

BATCH_ROWS = 200
LOW_BATTERY = 0.3
"""Charge below which a device reports a problem."""
HEALTH_EVERY_S = 24 * 3_600.0


@dataclass(frozen=True, slots=True)
class SimulatedMessage:
    """A message of a device."""

    device: SimulatedDevice
    kind: Kind
    payload: bytes
    first_seq: int = 0
    last_seq: int = 0
    """The sequence numbers of its rows; 0 for a message without rows, which is not acknowledged."""

    @property
    def rows(self) -> int:
        """Its number of rows."""
        return self.last_seq - self.first_seq + 1 if self.last_seq else 0


def season_messages(
    devices: int, nights: int, seed: int, last_evening: date, calendar_date: date | None = None
) -> Iterator[SimulatedMessage]:
    """Yield the messages of some devices in some nights. The same arguments give the same rows.

    With `calendar_date` the last night has the weather and the frogs of that date.
    """
    before = timedelta(days=nights - 1)
    first, calendar = last_evening - before, (calendar_date or last_evening) - before
    days = weather.simulate_weather(calendar, nights, np.random.default_rng([seed, 99]))
    season = Season(first, days, seed, calendar)
    simulators = [DeviceSimulator(device, season) for device in make_fleet(devices, seed)]
    for simulator in simulators:
        yield _status(simulator, "online", first)
    for n in range(nights):
        for simulator in simulators:
            yield from _batches(simulator.device, simulator.night(n))
    for simulator in simulators:
        yield _health(simulator, nights - 1)
        if simulator.is_offline:
            yield _status(simulator, "offline", first)


def _batches(device: SimulatedDevice, rows: list[Row]) -> Iterator[SimulatedMessage]:
    by_kind: dict[Kind, list[Row]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row)
    for kind, of_kind in by_kind.items():
        for first in range(0, len(of_kind), BATCH_ROWS):
            part = of_kind[first : first + BATCH_ROWS]
            payload = pack(batch(device.journal, part[0].seq, part))
            yield SimulatedMessage(device, kind, payload, part[0].seq, part[-1].seq)


def _status(simulator: DeviceSimulator, state: str, first: date) -> SimulatedMessage:
    position = simulator.device.position
    status = Status.model_validate(
        {
            "state": state,
            "since_utc": datetime(first.year, first.month, first.day, 12, tzinfo=UTC),
            **PROVENANCE,
            "latitude_deg": position.latitude_deg,
            "longitude_deg": position.longitude_deg,
            "zone": position.zone,
        }
    )
    return SimulatedMessage(simulator.device, "status", status.to_bytes())


def _problems(simulator: DeviceSimulator, n: int) -> tuple[str, ...]:
    match simulator.device.scenario:
        case Scenario.SILENT_MICROPHONE:
            return ("the microphone gives silence",)
        case Scenario.CLIPPING:
            return ("the microphone gives full scale in loud hours; lower its gain",)
        case Scenario.LOW_BATTERY if simulator.battery(n) < LOW_BATTERY:
            return (f"the battery is at {simulator.battery(n):.0%}",)
        case Scenario.LOST:
            return ("the battery is at 3%",)
        case _:
            return ()


def _health(simulator: DeviceSimulator, n: int) -> SimulatedMessage:
    number, drifts = simulator.device.number, simulator.device.scenario is Scenario.CLOCK_DRIFT
    health = Health(
        utc=datetime.now(UTC),
        every_s=HEALTH_EVERY_S,
        problems=_problems(simulator, n),
        uptime_s=86_400.0 * (n + 1),
        running_s=86_400.0 * (n + 1),
        app_version=PROVENANCE["app_version"],
        model_sha256=PROVENANCE["model_sha256"],
        config_hash=PROVENANCE["config_hash"],
        since_sample_s=1.0,
        since_inference_s=2.0,
        real_time_factor=0.03 + 0.01 * (number % 5),
        overruns=number % 3,
        analysed_s=12 * 3_600.0 * (n + 1),
        dropped_s=0.2 * (n + 1),
        gaps=n // 30,
        drift_ppm=46.0 if drifts else 3.5 - number % 7,
        pending=0,
        disk_free_bytes=(20 + number % 11) * 1_000_000_000,
        temperature_c=31.0 + number % 9,
        clock_synchronised=not drifts,
    )
    return SimulatedMessage(simulator.device, "health", health.to_bytes())
