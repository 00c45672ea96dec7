"""What a network of recorders tells in a season, in the order in which it would come."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from anura_base.simulate import weather
from anura_base.simulate.fleet import Scenario, SimulatedRecorder, make_fleet
from anura_base.simulate.recorder import PROVENANCE, RecorderSimulator, Season
from anura_edge.wire import Health, Kind, Row, Status, batch, pack

BATCH_ROWS = 200
LOW_BATTERY = 0.3
HEALTH_EVERY_S = 24 * 3_600.0


@dataclass(frozen=True, slots=True)
class SimulatedMessage:
    """A message of a recorder."""

    recorder: SimulatedRecorder
    kind: Kind
    payload: bytes
    first_seq: int = 0
    last_seq: int = 0
    """The numbers of its rows; 0 if it has none, and is not acknowledged."""

    @property
    def rows(self) -> int:
        """How many rows it carries."""
        return self.last_seq - self.first_seq + 1 if self.last_seq else 0


def season_messages(
    devices: int, nights: int, seed: int, last_evening: date, as_if: date | None = None
) -> Iterator[SimulatedMessage]:
    """Yield what so many recorders tell of so many nights. The same numbers give the same rows.

    With `as_if` the last evening has the weather and the frogs of that day.
    """
    before = timedelta(days=nights - 1)
    first, calendar = last_evening - before, (as_if or last_evening) - before
    days = weather.simulate_weather(calendar, nights, np.random.default_rng([seed, 99]))
    diaries = [
        RecorderSimulator(recorder, Season(first, days, seed, calendar)) for recorder in make_fleet(devices, seed)
    ]
    for diary in diaries:
        yield _status(diary, "online", first)
    for n in range(nights):
        for diary in diaries:
            yield from _batches(diary.recorder, diary.night(n))
    for diary in diaries:
        yield _health(diary, nights - 1)
        if diary.is_lost:
            yield _status(diary, "offline", first)


def _batches(recorder: SimulatedRecorder, rows: list[Row]) -> Iterator[SimulatedMessage]:
    by_kind: dict[Kind, list[Row]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row)
    for kind, alike in by_kind.items():
        for at in range(0, len(alike), BATCH_ROWS):
            some = alike[at : at + BATCH_ROWS]
            payload = pack(batch(recorder.journal, some[0].seq, some))
            yield SimulatedMessage(recorder, kind, payload, some[0].seq, some[-1].seq)


def _status(diary: RecorderSimulator, state: str, first: date) -> SimulatedMessage:
    place = diary.recorder.place
    since = datetime(first.year, first.month, first.day, 12, tzinfo=UTC)
    told = Status.model_validate(
        {
            "state": state,
            "since_utc": since,
            **PROVENANCE,
            "latitude_deg": place.latitude_deg,
            "longitude_deg": place.longitude_deg,
            "zone": place.zone,
        }
    )
    return SimulatedMessage(diary.recorder, "status", told.to_bytes())


def _health(diary: RecorderSimulator, n: int) -> SimulatedMessage:
    fate, number = diary.recorder.fate, diary.recorder.number
    problems = {
        Scenario.DEAF: ("the microphone gives silence",),
        Scenario.CLIPPING: ("the microphone gives full scale in loud hours; lower its gain",),
        Scenario.TIRED: (f"the battery is at {diary.battery(n):.0%}",) if diary.battery(n) < LOW_BATTERY else (),
        Scenario.LOST: ("the battery is at 3%",),
    }
    told = Health(
        utc=datetime.now(UTC),
        every_s=HEALTH_EVERY_S,
        problems=problems.get(fate, ()),
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
        drift_ppm=46.0 if fate is Scenario.DRIFTING else 3.5 - number % 7,
        pending=0,
        disk_free_bytes=(20 + number % 11) * 1_000_000_000,
        temperature_c=31.0 + number % 9,
        clock_synchronised=fate is not Scenario.DRIFTING,
    )
    return SimulatedMessage(diary.recorder, "health", told.to_bytes())
