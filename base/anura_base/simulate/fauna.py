"""The calling seasons of frogs: species of the default model, with habits from field guides of the Carolinas."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DAYS_A_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Species:
    """The calling habits of a species."""

    code: str
    scientific_name: str
    peak_day: float
    """Day of the year at which most of them call."""
    spread_days: float
    hours_after_sunset: float
    """Hour of the night at which most of them call."""
    spread_h: float
    min_temperature_c: float
    """Below this temperature they do not call."""
    rain: float
    """Influence of rain: 0, none; 1, they do not call without rain."""
    calls_per_min: float
    """Calls per minute of a full chorus. A longer bout of calls is cut into calls of at most a minute."""
    call_s: float


SPECIES = (
    Species("PSECRU", "Pseudacris crucifer", 75, 25, 2.0, 2.5, 4, 0.2, 1.4, 22),
    Species("LITSYL", "Lithobates sylvaticus", 55, 10, 3.0, 3.0, 3, 0.6, 0.7, 6),
    Species("PSEFER", "Pseudacris feriarum", 65, 22, 1.0, 3.0, 3, 0.4, 0.9, 14),
    Species("LITSPH", "Lithobates sphenocephalus", 80, 35, 4.0, 3.0, 7, 0.3, 0.6, 8),
    Species("ANAAME", "Anaxyrus americanus", 95, 14, 2.5, 2.5, 9, 0.4, 0.8, 14),
    Species("ANAFOW", "Anaxyrus fowleri", 150, 25, 3.0, 2.5, 14, 0.4, 0.7, 5),
    Species("HYLVER", "Hyla versicolor/chrysoscelis", 150, 30, 1.5, 2.0, 14, 0.3, 1.1, 12),
    Species("ACRCRE", "Acris crepitans", 165, 35, 1.0, 3.5, 16, 0.1, 1.1, 25),
    Species("LITCLA", "Lithobates clamitans", 175, 35, 4.0, 4.0, 15, 0.1, 0.5, 2),
    Species("LITCAT", "Lithobates catesbeianus", 180, 35, 4.5, 3.5, 17, 0.0, 0.4, 5),
    Species("HYLCIN", "Hyla cinerea", 180, 30, 2.0, 2.0, 18, 0.2, 1.5, 30),
    Species("GASCAR", "Gastrophryne carolinensis", 185, 25, 2.5, 2.0, 20, 0.8, 0.8, 8),
    Species("SCAHOL", "Scaphiopus holbrookii", 140, 60, 3.0, 2.5, 10, 1.0, 0.9, 6),
)


def intensity(
    species: Species, day_of_year: int, hours_after_sunset: Array, temperature_c: Array, rain_mm: float
) -> Array:
    """Return the share of a full chorus that calls at each moment of a night, 0 to 1. All arrays have the same shape.

    `rain_mm` is the rain of the last two days.
    """
    away_days = (day_of_year - species.peak_day + DAYS_A_YEAR / 2) % DAYS_A_YEAR - DAYS_A_YEAR / 2
    season = np.exp(-0.5 * (away_days / species.spread_days) ** 2)
    hour = np.exp(-0.5 * ((hours_after_sunset - species.hours_after_sunset) / species.spread_h) ** 2)
    warmth = 1 / (1 + np.exp(-1.2 * (temperature_c - species.min_temperature_c - 2)))
    wetness = 1 - species.rain * np.exp(-rain_mm / 10)
    level: Array = season * hour * warmth * wetness
    return level
