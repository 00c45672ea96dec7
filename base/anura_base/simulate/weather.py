"""The weather of a season, day by day. Cold and wet periods last some days."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from anura_base.simulate.fauna import Array


@dataclass(frozen=True, slots=True)
class Weather:
    """The weather of one day."""

    temperature_c: float
    """At sunset."""
    rain_mm: float

    def at(self, hours_after_sunset: Array) -> Array:
        """Return the temperature at some hours of the night. It falls less in rain than under a clear sky."""
        cooling = 0.35 if self.rain_mm > 1 else 0.9
        cooled: Array = self.temperature_c - cooling * np.clip(hours_after_sunset, 0, 11)
        return cooled


def simulate_weather(first: date, days: int, rng: np.random.Generator) -> list[Weather]:
    """Return the weather of some days in a temperate climate of the northern hemisphere."""
    spell_c, wet = rng.normal(0, 3), False
    weather = []
    for n in range(days):
        day_of_year = (first + timedelta(days=n)).timetuple().tm_yday
        spell_c = 0.75 * spell_c + rng.normal(0, 2.3)
        wet = rng.random() < (0.55 if wet else 0.22)
        rain_mm = float(rng.gamma(0.9, 11)) if wet else 0.0
        mean_c = 16.5 - 10.5 * np.cos(2 * np.pi * (day_of_year - 22) / 365.25)
        weather.append(Weather(float(mean_c + spell_c - (1.5 if wet else 0)), rain_mm))
    return weather
