"""Simulate one device: the rows of each night, as its journal would contain them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import uuid5
from zoneinfo import ZoneInfo

import numpy as np
from astral import Observer
from astral.sun import sunset

from anura_base.simulate.fauna import SPECIES, Array, intensity
from anura_base.simulate.fleet import Scenario, SimulatedDevice
from anura_base.simulate.row_builder import Detection, RecordedHour, RowBuilder
from anura_base.simulate.weather import Weather
from anura_edge.events import NAMESPACE, EffortState, NoticeKind
from anura_edge.wire import Row

NIGHT_H = 12
BEFORE_SUNSET_H = 1.0
BIN_MIN = 5
BINS = NIGHT_H * 60 // BIN_MIN
HOURS_AFTER_SUNSET = (np.arange(BINS) + 0.5) * BIN_MIN / 60 - BEFORE_SUNSET_H
HOUR_S = 3_600

MAX_CALL_S = 60.0
FALSE_ALARMS = 2.5
"""Mean number of false alarms in a night."""

CHARGED_EVERY_DAYS = 35
CLOCK_SET_EVERY_DAYS = 14
DRIFT_S_PER_DAY = 4.0


@dataclass(frozen=True, slots=True)
class Season:
    """Consecutive nights with their weather."""

    first: date
    """The date of the first night."""
    weather: list[Weather]
    seed: int
    calendar: date
    """The date whose frogs call in the first night. Usually equal to `first`; the demo always shows a summer."""

    def day_of_year(self, n: int) -> int:
        """Return the day of the year that decides which frogs call in night `n`."""
        return (self.calendar + timedelta(days=n)).timetuple().tm_yday

    def rain_mm(self, n: int) -> float:
        """Return the rain of day `n` and of the day before."""
        return sum(day.rain_mm for day in self.weather[max(0, n - 1) : n + 1])


class DeviceSimulator:
    """Simulates one device, night after night. The same seed gives the same rows."""

    def __init__(self, device: SimulatedDevice, season: Season) -> None:
        self.device, self._season = device, season
        self._rows = RowBuilder(device)
        position = device.position
        self._observer = Observer(latitude=position.latitude_deg or 0.0, longitude=position.longitude_deg or 0.0)
        self._zone = ZoneInfo(position.zone)
        self._nights = len(season.weather)

    @property
    def is_offline(self) -> bool:
        """Whether the device is offline at the end of the season."""
        return self.device.scenario is Scenario.LOST

    def night(self, n: int) -> list[Row]:
        """Return the rows of night `n`. Call it for each night in order, because the rows are numbered."""
        rng = np.random.default_rng([self._season.seed, 7, self.device.number, n])
        if self._is_off(n, rng):
            return []
        day = self._season.first + timedelta(days=n)
        sunset_utc = sunset(self._observer, date=day, tzinfo=self._zone).astimezone(UTC).replace(microsecond=0)
        start = sunset_utc - timedelta(hours=BEFORE_SUNSET_H)
        levels = self._levels(n)
        hours = self._hours(n, start, levels)
        reported_start = start + timedelta(seconds=self._drift_s(n))
        return [
            *self._events(hours, reported_start, levels, rng),
            *self._effort(hours, reported_start, rng),
            *self._notices(n, reported_start),
        ]

    def battery(self, n: int) -> float:
        """Return the charge of the battery in night `n`, 0 to 1."""
        if self.device.scenario is not Scenario.LOW_BATTERY:
            return 0.9
        return 1 - 0.95 * (n % CHARGED_EVERY_DAYS) / CHARGED_EVERY_DAYS

    def _is_off(self, n: int, rng: np.random.Generator) -> bool:
        match self.device.scenario:
            case Scenario.GAPS:
                gap = np.random.default_rng([self._season.seed, 8, self.device.number, n // 5])
                return bool(gap.random() < 0.35)
            case Scenario.LOST:
                return n > 0.7 * self._nights
            case _:
                return bool(rng.random() < 0.004)

    def _drift_s(self, n: int) -> float:
        return DRIFT_S_PER_DAY * (n % CLOCK_SET_EVERY_DAYS) if self.device.scenario is Scenario.CLOCK_DRIFT else 0.0

    def _levels(self, n: int) -> Array:
        """Return the share of a full chorus that calls, shape (species, bins)."""
        weather, rain_mm, day_of_year = self._season.weather[n], self._season.rain_mm(n), self._season.day_of_year(n)
        temperature_c = weather.at(HOURS_AFTER_SUNSET)
        return np.stack(
            [
                abundance * intensity(species, day_of_year, HOURS_AFTER_SUNSET, temperature_c, rain_mm)
                for species, abundance in zip(SPECIES, self.device.abundance, strict=True)
            ]
        )

    def _hours(self, n: int, start: datetime, levels: Array) -> list[RecordedHour]:
        active = min(NIGHT_H, round(NIGHT_H * 1.6 * self.battery(n)))
        loudness = levels.reshape(len(SPECIES), NIGHT_H, -1).sum(axis=0).mean(axis=1)
        session = uuid5(NAMESPACE, f"simulated/{self.device.journal}/{n}").hex
        hours = []
        for hour in range(NIGHT_H):
            state = EffortState.ANALYSED if hour < active else EffortState.PAUSED
            if self.device.scenario is Scenario.SILENT_MICROPHONE and n > 0.6 * self._nights:
                state = EffortState.SILENT
            if self.device.scenario is Scenario.CLIPPING and loudness[hour] > 0.6:
                state = EffortState.CLIPPED
            if self.device.from_card:
                begin = (start + timedelta(hours=hour)).astimezone(self._zone)
                name = f"Data/{self.device.site.upper()}_{begin:%Y%m%d_%H%M%S}.wav"
                hours.append(RecordedHour(state, f"{session[:30]}{hour:02x}", name, 0))
            else:
                hours.append(RecordedHour(state, session, "USB microphone", hour * HOUR_S * self._rows.rate_hz))
        return hours

    def _events(
        self, hours: list[RecordedHour], start: datetime, levels: Array, rng: np.random.Generator
    ) -> Iterator[Row]:
        """Draw the calls and the false alarms of a night, and yield them in order of onset."""
        analysed = np.array(
            [0.3 if hour.state is EffortState.CLIPPED else hour.state is EffortState.ANALYSED for hour in hours]
        )
        mean = levels * np.repeat(analysed, BINS // NIGHT_H) * BIN_MIN
        counts = rng.poisson(mean * np.array([[each.calls_per_min] for each in SPECIES]))
        species, bins = np.repeat(np.indices(counts.shape).reshape(2, -1), counts.ravel(), axis=1)
        scores = rng.beta(7, 2.2, len(species))
        false_alarms = rng.poisson(FALSE_ALARMS * float(analysed.mean()))
        species = np.concatenate([species, rng.integers(0, len(SPECIES), false_alarms)])
        bins = np.concatenate([bins, rng.choice(np.flatnonzero(np.repeat(analysed, BINS // NIGHT_H)), false_alarms)])
        p_peak = 0.5 + 0.49 * np.concatenate([scores, rng.beta(1, 6, false_alarms)])
        onset_s = np.sort((bins + rng.random(len(bins))) * BIN_MIN * 60)
        order = np.argsort(bins, kind="stable")
        duration_s = np.array([each.call_s for each in SPECIES])[species] * rng.lognormal(0, 0.6, len(species))
        duration_s = np.clip(duration_s, 0.3, MAX_CALL_S)
        p_mean = p_peak * (0.75 + 0.2 * rng.random(len(p_peak)))
        level_dbfs = -42 + 8 * rng.standard_normal(len(p_peak))
        drawn = (onset_s, species[order], duration_s[order], p_peak[order], p_mean[order], level_dbfs[order])
        for values in zip(*drawn, strict=True):
            yield self._event(hours, start, *(value.item() for value in values))

    def _event(
        self,
        hours: list[RecordedHour],
        start: datetime,
        onset_s: float,
        species: int,
        duration_s: float,
        p_peak: float,
        p_mean: float,
        level_dbfs: float,
    ) -> Row:
        hour, in_hour_s = hours[int(onset_s // HOUR_S)], onset_s % HOUR_S
        detection = Detection(
            species=SPECIES[species],
            onset_sample=hour.first_sample + int(in_hour_s * self._rows.rate_hz),
            start_utc=start + timedelta(seconds=onset_s),
            duration_s=min(duration_s, HOUR_S - in_hour_s),
            p_peak=p_peak,
            p_mean=p_mean,
            level_dbfs=level_dbfs,
        )
        return self._rows.event(hour, detection)

    def _effort(self, hours: list[RecordedHour], start: datetime, rng: np.random.Generator) -> Iterator[Row]:
        rate_hz = self._rows.rate_hz
        for number, hour in enumerate(hours):
            begin = start + timedelta(hours=number)
            # A slow disk or a busy processor loses some seconds now and then.
            lost_s = float(rng.exponential(6)) if hour.state is EffortState.ANALYSED and rng.random() < 0.03 else 0.0
            lost, total = int(lost_s * rate_hz), HOUR_S * rate_hz
            yield self._rows.effort(hour, hour.state, begin, hour.first_sample, total - lost)
            if lost:
                first, at = hour.first_sample + total - lost, begin + timedelta(seconds=HOUR_S - lost_s)
                yield self._rows.effort(hour, EffortState.DROPPED, at, first, lost)
        if not self.device.from_card:
            off = (24 - NIGHT_H) * HOUR_S * rate_hz
            end = start + timedelta(hours=NIGHT_H)
            yield self._rows.effort(hours[-1], EffortState.OFF, end, NIGHT_H * HOUR_S * rate_hz, off)

    def _notices(self, n: int, start: datetime) -> Iterator[Row]:
        scenario = self.device.scenario
        if scenario is Scenario.CLOCK_DRIFT and n and n % CLOCK_SET_EVERY_DAYS == 0:
            step_s = -DRIFT_S_PER_DAY * CLOCK_SET_EVERY_DAYS
            yield self._rows.notice(n, NoticeKind.CLOCK_STEP, start, f"the clock was set by {step_s:g} s", step_s)
        if scenario is Scenario.SILENT_MICROPHONE and n == int(0.6 * self._nights) + 1:
            yield self._rows.notice(n, NoticeKind.SOUND_FAULT, start, "the microphone gives silence")
