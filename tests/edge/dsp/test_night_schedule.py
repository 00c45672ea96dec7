"""A microphone with a schedule by the sun is analysed from dusk to dawn, at any place and on any date."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.config.device import Config
from anura_edge.config.energy import DutyCycleSettings, EnergySettings, NightSettings
from anura_edge.dsp.gating import AnalysisGate, EnergyState
from anura_edge.dsp.night_schedule import NightSchedule, SunPlace
from anura_edge.events import EffortState

EXACT = NightSettings(before_sunset_min=0, after_sunrise_min=0)
MANAUS, BRISBANE, TROMSO = SunPlace(-3.1, -60.0), SunPlace(-27.5, 153.0), SunPlace(69.65, 18.96)


def spans(schedule: NightSchedule, begin: datetime, days: float) -> list[tuple[datetime, datetime]]:
    """Return when audio is analysed."""
    found, now = [], begin
    while now < begin + timedelta(days=days):
        is_on, left_s = schedule.until_change(now.timestamp())
        assert left_s > 0
        if is_on:
            found.append((now, now + timedelta(seconds=left_s)))
        now += timedelta(seconds=left_s)
    return found


# Known to a few minutes: a wrong zone or sign would shift them by hours.
@pytest.mark.parametrize(
    ("place", "noon", "sunset", "sunrise"),
    [
        (MANAUS, datetime(2026, 11, 20, 16, tzinfo=UTC), "21:50", "09:38"),
        (BRISBANE, datetime(2026, 11, 20, 2, tzinfo=UTC), "08:20", "18:46"),
    ],
)
def test_night_is_from_sunset_to_sunrise_of_the_place(
    place: SunPlace, noon: datetime, sunset: str, sunrise: str
) -> None:
    ((begin, end),) = spans(NightSchedule(EXACT, place), noon, 1)
    for found, expected in ((begin, sunset), (end, sunrise)):
        clock = datetime.strptime(expected, "%H:%M").replace(tzinfo=UTC)
        minutes = abs((found.hour * 60 + found.minute) - (clock.hour * 60 + clock.minute))
        assert minutes <= 10
    ((earlier, later),) = spans(
        NightSchedule(NightSettings(before_sunset_min=45, after_sunrise_min=-15), place), noon, 1
    )
    assert begin - earlier == timedelta(minutes=45)
    assert end - later == timedelta(minutes=15)


def test_polar_night_is_analysed_and_polar_day_is_not() -> None:
    schedule = NightSchedule(NightSettings(), TROMSO)
    dark = spans(schedule, datetime(2026, 12, 15, 11, tzinfo=UTC), 3)
    assert sum((end - begin for begin, end in dark), timedelta()) >= timedelta(days=3)
    assert spans(schedule, datetime(2026, 6, 15, 11, tzinfo=UTC), 3) == []


@given(
    st.floats(-65, 65),
    st.floats(-180, 180),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),
)
def test_every_day_has_one_night_between_the_polar_circles(lat: float, lon: float, moment: datetime) -> None:
    found = spans(NightSchedule(EXACT, SunPlace(lat, lon)), moment.replace(tzinfo=UTC), 4)
    assert 3 <= len(found) <= 5
    assert all(timedelta(hours=1) < end - begin < timedelta(hours=23) for begin, end in found[1:-1])
    assert all(before[1] < after[0] for before, after in pairwise(found))


@pytest.mark.parametrize("duty", [None, DutyCycleSettings(on_s=1, period_s=4)])
@pytest.mark.parametrize("chunk", [7, 100, 1_000])
def test_gate_changes_at_sunset_to_the_sample(duty: DutyCycleSettings | None, chunk: int) -> None:
    rate_hz = 100
    ((sunset, _),) = spans(NightSchedule(EXACT, MANAUS), datetime(2026, 11, 20, 16, tzinfo=UTC), 1)
    begin = sunset.replace(microsecond=0) - timedelta(seconds=8)
    gate = AnalysisGate(EnergySettings(night=EXACT, duty=duty), EnergyState(), rate_hz, 0.2, MANAUS)
    states: list[EffortState] = []
    for at in range(0, 16 * rate_hz, chunk):
        part = np.zeros(min(chunk, 16 * rate_hz - at), np.float32)
        for state, samples in gate.split(part, begin + timedelta(seconds=at / rate_hz)):
            states += [state] * len(samples)
    before = round((sunset - begin).total_seconds() * rate_hz)
    assert set(states[: before - 1]) == {EffortState.PAUSED}
    for n, state in list(enumerate(states))[before + 1 :]:
        phase_s = ((begin + timedelta(seconds=n / rate_hz)).timestamp() + 1e-3) % 4
        is_on = duty is None or phase_s < duty.on_s
        assert state == (EffortState.ANALYSED if is_on else EffortState.PAUSED)


def test_schedule_needs_a_place_and_enters_the_identity_of_the_settings() -> None:
    with pytest.raises(ValueError, match="latitude_deg"):
        Config.model_validate({"energy": {"night": {}}})
    place = {"latitude_deg": -3.1, "longitude_deg": -60.0}
    by_night = Config.model_validate({"energy": {"night": {}}, "device": place})
    elsewhere = Config.model_validate({"energy": {"night": {}}, "device": {**place, "longitude_deg": 150.0}})
    assert len({by_night.hash(), elsewhere.hash(), Config().hash()}) == 3


def test_settings_of_earlier_versions_keep_their_identity() -> None:
    duty = Config.model_validate({"energy": {"duty": {"on_s": 60, "period_s": 300}}})
    assert duty.hash() == "92374fda3e70"
