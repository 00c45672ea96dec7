"""What a recorder has to tell of each night: rows as a device's journal would hold them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid5
from zoneinfo import ZoneInfo

import numpy as np
from astral import Observer
from astral.sun import sunset

from anura_base.simulate.fauna import SPECIES, Array, intensity
from anura_base.simulate.fleet import Scenario, SimulatedRecorder
from anura_base.simulate.weather import Weather
from anura_edge.audio import ClockSource
from anura_edge.events import NAMESPACE, EffortState, NoticeKind, effort_id, event_id
from anura_edge.wire import EffortRow, EventRow, NoticeRow, Row

NIGHT_H = 12
BEFORE_SUNSET_H = 1.0
BIN_MIN = 5
BINS = NIGHT_H * 60 // BIN_MIN
HOURS_AFTER_SUNSET = (np.arange(BINS) + 0.5) * BIN_MIN / 60 - BEFORE_SUNSET_H

MAX_CALL_S = 60.0
FALSE_ALARMS = 2.5
"""In a night: the model takes an insect or the wind for a frog."""

CHARGED_EVERY_DAYS = 35
CLOCK_SET_EVERY_DAYS = 14
DRIFT_S_A_DAY = 4.0

PROVENANCE = {
    "model_id": "frogs-eastern-north-america",
    "model_version": "0.1.0",
    "model_sha256": "51" * 32,
    "config_hash": "51a0051a0051",
    "app_version": "0.1.0",
}
_NOBODY = {**PROVENANCE, "model_id": "", "model_version": "", "model_sha256": "", "config_hash": ""}


@dataclass(frozen=True, slots=True)
class Season:
    """A stretch of nights."""

    first: date
    """The evening of the first."""
    weather: list[Weather]
    seed: int
    calendar: date
    """The day whose frogs the first evening has: the evening itself, unless it is summer only in the story."""

    def day_of_year(self, n: int) -> int:
        """Return by which day of the year the frogs go."""
        return (self.calendar + timedelta(days=n)).timetuple().tm_yday

    def rain_mm(self, n: int) -> float:
        """Return what fell on a day and the one before."""
        return sum(day.rain_mm for day in self.weather[max(0, n - 1) : n + 1])


@dataclass(frozen=True, slots=True)
class _Hour:
    """An hour of one night: what became of it, and where its sound is."""

    state: EffortState
    recording: str
    name: str
    first_sample: int


class RecorderSimulator:
    """Writes what one recorder has to tell, night after night."""

    def __init__(self, recorder: SimulatedRecorder, season: Season) -> None:
        self.recorder, self._season = recorder, season
        self.seq = 0
        """The number of the last row."""
        self._rate_hz = 24_000 if recorder.from_card else 48_000
        self._clock = ClockSource.RECORDER if recorder.from_card else ClockSource.SYSTEM
        place = recorder.place
        self._observer = Observer(latitude=place.latitude_deg or 0.0, longitude=place.longitude_deg or 0.0)
        self._zone = ZoneInfo(place.zone)
        self._nights = len(season.weather)

    @property
    def is_lost(self) -> bool:
        """Whether nothing comes from it at the season's end."""
        return self.recorder.fate is Scenario.LOST

    def night(self, n: int) -> list[Row]:
        """Return the rows of the night with number `n`, which follows the one before. The same seed gives the same."""
        dice = np.random.default_rng([self._season.seed, 7, self.recorder.number, n])
        if self._is_away(n, dice):
            return []
        day = self._season.first + timedelta(days=n)
        evening = sunset(self._observer, date=day, tzinfo=self._zone).astimezone(UTC).replace(microsecond=0)
        start = evening - timedelta(hours=BEFORE_SUNSET_H)
        levels = self._levels(n)
        hours = self._hours(n, start, levels)
        told = start + timedelta(seconds=self._drift_s(n))
        return [*self._events(hours, told, levels, dice), *self._efforts(hours, told, dice), *self._notices(n, told)]

    def _number(self) -> int:
        self.seq += 1
        return self.seq

    def battery(self, n: int) -> float:
        """Return how full its battery is, 0 to 1."""
        if self.recorder.fate is not Scenario.TIRED:
            return 0.9
        return 1 - 0.95 * (n % CHARGED_EVERY_DAYS) / CHARGED_EVERY_DAYS

    def _is_away(self, n: int, dice: np.random.Generator) -> bool:
        match self.recorder.fate:
            case Scenario.GAPS:
                gap = np.random.default_rng([self._season.seed, 8, self.recorder.number, n // 5])
                return bool(gap.random() < 0.35)
            case Scenario.LOST:
                return n > 0.7 * self._nights
            case _:
                return bool(dice.random() < 0.004)

    def _drift_s(self, n: int) -> float:
        return DRIFT_S_A_DAY * (n % CLOCK_SET_EVERY_DAYS) if self.recorder.fate is Scenario.DRIFTING else 0.0

    def _levels(self, n: int) -> Array:
        """Return how much of a full chorus each species is, shape (species, bins)."""
        weather, rain_mm, day_of_year = self._season.weather[n], self._season.rain_mm(n), self._season.day_of_year(n)
        temperature_c = weather.at(HOURS_AFTER_SUNSET)
        heard = zip(SPECIES, self.recorder.abundance, strict=True)
        return np.stack(
            [much * intensity(each, day_of_year, HOURS_AFTER_SUNSET, temperature_c, rain_mm) for each, much in heard]
        )

    def _hours(self, n: int, start: datetime, levels: Array) -> list[_Hour]:
        awake = min(NIGHT_H, round(NIGHT_H * 1.6 * self.battery(n)))
        loud = levels.reshape(len(SPECIES), NIGHT_H, -1).sum(axis=0).mean(axis=1)
        session = uuid5(NAMESPACE, f"simulated/{self.recorder.journal}/{n}").hex
        hours = []
        for hour in range(NIGHT_H):
            state = EffortState.ANALYSED if hour < awake else EffortState.PAUSED
            if self.recorder.fate is Scenario.DEAF and n > 0.6 * self._nights:
                state = EffortState.SILENT
            if self.recorder.fate is Scenario.CLIPPING and loud[hour] > 0.6:
                state = EffortState.CLIPPED
            if self.recorder.from_card:
                begin = (start + timedelta(hours=hour)).astimezone(self._zone)
                name = f"Data/{self.recorder.site.upper()}_{begin:%Y%m%d_%H%M%S}.wav"
                hours.append(_Hour(state, f"{session[:30]}{hour:02x}", name, 0))
            else:
                hours.append(_Hour(state, session, "USB microphone", hour * 3_600 * self._rate_hz))
        return hours

    def _events(self, hours: list[_Hour], start: datetime, levels: Array, dice: np.random.Generator) -> Iterator[Row]:
        heard = np.array(
            [0.3 if hour.state is EffortState.CLIPPED else hour.state is EffortState.ANALYSED for hour in hours]
        )
        mean = levels * np.repeat(heard, BINS // NIGHT_H) * BIN_MIN
        counts = dice.poisson(mean * np.array([[each.calls_per_min] for each in SPECIES]))
        species, bins = np.repeat(np.indices(counts.shape).reshape(2, -1), counts.ravel(), axis=1)
        sure = dice.beta(7, 2.2, len(species))
        false = dice.poisson(FALSE_ALARMS * float(heard.mean()))
        species = np.concatenate([species, dice.integers(0, len(SPECIES), false)])
        bins = np.concatenate([bins, dice.choice(np.flatnonzero(np.repeat(heard, BINS // NIGHT_H)), false)])
        peak = 0.5 + 0.49 * np.concatenate([sure, dice.beta(1, 6, false)])
        onset_s = np.sort((bins + dice.random(len(bins))) * BIN_MIN * 60)
        order = np.argsort(bins, kind="stable")
        length_s = np.array([each.call_s for each in SPECIES])[species] * dice.lognormal(0, 0.6, len(species))
        length_s = np.clip(length_s, 0.3, MAX_CALL_S)
        mean_p = peak * (0.75 + 0.2 * dice.random(len(peak)))
        level_dbfs = -42 + 8 * dice.standard_normal(len(peak))
        found = zip(
            onset_s, species[order], length_s[order], peak[order], mean_p[order], level_dbfs[order], strict=True
        )
        for values in found:
            yield self._event(hours, start, *(value.item() for value in values))

    def _event(
        self,
        hours: list[_Hour],
        start: datetime,
        onset_s: float,
        species: int,
        length_s: float,
        p_peak: float,
        p_mean: float,
        level_dbfs: float,
    ) -> EventRow:
        hour, rate_hz, kind = hours[int(onset_s // 3_600)], self._rate_hz, SPECIES[species]
        onset = hour.first_sample + int(onset_s % 3_600 * rate_hz)
        begin = start + timedelta(seconds=onset_s)
        length_s = min(length_s, 3_600 - onset_s % 3_600)
        return EventRow(
            seq=self._number(),
            id=event_id(hour.recording, onset, kind.code, PROVENANCE["model_sha256"]),
            label=kind.code,
            scientific_name=kind.scientific_name,
            onset_sample=onset,
            offset_sample=onset + int(length_s * rate_hz),
            start_utc=begin,
            end_utc=begin + timedelta(seconds=length_s),
            p_peak=round(p_peak, 4),
            p_mean=round(p_mean, 4),
            level_dbfs=round(level_dbfs, 2),
            **self._of_recording(hour),
        )

    def _of_recording(self, hour: _Hour) -> dict[str, Any]:
        return {
            "recording": hour.recording,
            "recording_name": hour.name,
            "rate_hz": self._rate_hz,
            "clock_source": self._clock,
            **PROVENANCE,
        }

    def _efforts(self, hours: list[_Hour], start: datetime, dice: np.random.Generator) -> Iterator[Row]:
        for number, hour in enumerate(hours):
            begin = start + timedelta(hours=number)
            # A slow disk or a busy processor loses some seconds now and then.
            lost_s = float(dice.exponential(6)) if hour.state is EffortState.ANALYSED and dice.random() < 0.03 else 0.0
            lost, whole = int(lost_s * self._rate_hz), 3_600 * self._rate_hz
            yield self._effort(hour, hour.state, begin, hour.first_sample, whole - lost)
            if lost:
                first = hour.first_sample + whole - lost
                yield self._effort(hour, EffortState.DROPPED, begin + timedelta(seconds=3_600 - lost_s), first, lost)
        if not self.recorder.from_card:
            asleep = (24 - NIGHT_H) * 3_600 * self._rate_hz
            end = start + timedelta(hours=NIGHT_H)
            yield self._effort(hours[-1], EffortState.OFF, end, NIGHT_H * 3_600 * self._rate_hz, asleep)

    def _effort(self, hour: _Hour, state: EffortState, begin: datetime, first: int, samples: int) -> EffortRow:
        return EffortRow(
            seq=self._number(),
            id=effort_id(hour.recording, first, state, PROVENANCE["model_sha256"]),
            state=state,
            first_sample=first,
            samples=samples,
            start_utc=begin,
            **self._of_recording(hour),
        )

    def _notices(self, n: int, start: datetime) -> Iterator[Row]:
        fate = self.recorder.fate
        if fate is Scenario.DRIFTING and n and n % CLOCK_SET_EVERY_DAYS == 0:
            back_s = -DRIFT_S_A_DAY * CLOCK_SET_EVERY_DAYS
            yield self._notice(n, NoticeKind.CLOCK_STEP, start, f"the clock was set by {back_s:g} s", back_s)
        if fate is Scenario.DEAF and n == int(0.6 * self._nights) + 1:
            yield self._notice(n, NoticeKind.SOUND_FAULT, start, "the microphone gives silence")

    def _notice(self, n: int, what: NoticeKind, utc: datetime, detail: str, amount: float | None = None) -> NoticeRow:
        number = uuid5(NAMESPACE, f"simulated/{self.recorder.journal}/{n}/{what}")
        return NoticeRow(
            seq=self._number(), id=number, what=what, utc=utc, detail=detail, recording="", amount=amount, **_NOBODY
        )
