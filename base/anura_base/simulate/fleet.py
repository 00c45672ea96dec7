"""The simulated sites and devices. Each device has a scenario."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid5

import numpy as np

from anura_base.config.settings import Site
from anura_base.simulate.fauna import SPECIES
from anura_edge.events import NAMESPACE


class Scenario(StrEnum):
    """The faults of a device during the season."""

    HEALTHY = "healthy"
    """No fault."""
    GAPS = "gaps"
    """It is off for some nights at a time."""
    LOW_BATTERY = "low_battery"
    """Its battery empties: it pauses for a growing part of each night, until the battery is charged."""
    CLOCK_DRIFT = "clock_drift"
    """Its clock drifts by seconds per day, and is set from time to time."""
    SILENT_MICROPHONE = "silent_microphone"
    """From one night on its microphone gives silence."""
    CLIPPING = "clipping"
    """Its gain is too high for a near chorus."""
    LOST = "lost"
    """From one night on it is offline."""


_SCENARIOS = (
    Scenario.HEALTHY,
    Scenario.GAPS,
    Scenario.LOW_BATTERY,
    Scenario.CLOCK_DRIFT,
    Scenario.CLIPPING,
    Scenario.SILENT_MICROPHONE,
    Scenario.LOST,
)

ZONE = "America/New_York"
"""Time zone of all simulated sites."""

SITES = {
    "beaver-pond": Site(
        title="Beaver pond",
        latitude_deg=35.98,
        longitude_deg=-78.94,
        zone=ZONE,
        habitat="A beaver pond in an oak and hickory forest, reeds on one shore",
    ),
    "bay-swamp": Site(
        title="Bay swamp",
        latitude_deg=34.72,
        longitude_deg=-78.55,
        zone=ZONE,
        habitat="A Carolina bay with cypresses, dry in most autumns",
    ),
    "ditch": Site(
        title="Roadside ditch",
        latitude_deg=35.41,
        longitude_deg=-77.98,
        zone=ZONE,
        habitat="A ditch between fields, full after rain",
    ),
    "vernal-pool": Site(
        title="Vernal pool",
        latitude_deg=36.21,
        longitude_deg=-79.68,
        zone=ZONE,
        habitat="A pool without fish in a forest, from January to June",
    ),
    "lake-shore": Site(
        title="Lake shore",
        latitude_deg=35.73,
        longitude_deg=-79.02,
        zone=ZONE,
        habitat="A reservoir's shallow arm with willows",
    ),
    "river-bend": Site(
        title="River bend",
        latitude_deg=35.02,
        longitude_deg=-85.33,
        zone=ZONE,
        habitat="A flood plain with oxbows",
    ),
}
"""Plausible positions without a real device."""


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """A device with its scenario and the frogs around it."""

    site: str
    name: str
    number: int
    scenario: Scenario
    from_card: bool
    """True for files of one hour from an SD card, False for a microphone that records all night."""
    abundance: tuple[float, ...]
    """Number of frogs of each species in range; 1 is a full chorus."""
    journal: UUID

    @property
    def position(self) -> Site:
        """Its site."""
        return SITES[self.site]


def make_fleet(devices: int, seed: int) -> list[SimulatedDevice]:
    """Return the devices, spread over the sites. Seven or more have each scenario at least once."""
    sites = [*SITES]
    communities = {name: _community(np.random.default_rng([seed, n])) for n, name in enumerate(sites)}
    fleet = []
    for number in range(devices):
        site = sites[number % len(sites)]
        rng = np.random.default_rng([seed, 1_000 + number])
        name = f"recorder-{number // len(sites) + 1}"
        abundance = communities[site] * rng.lognormal(0, 0.3, len(SPECIES))
        has_fault = number < len(_SCENARIOS) or rng.random() < 0.3
        scenario = _SCENARIOS[number % len(_SCENARIOS)] if has_fault else Scenario.HEALTHY
        journal = uuid5(NAMESPACE, f"simulated/{seed}/{site}/{name}")
        fleet.append(SimulatedDevice(site, name, number, scenario, number % 3 == 1, tuple(abundance), journal))
    return fleet


def _community(rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Draw the species of a site, and the number of each."""
    return np.where(rng.random(len(SPECIES)) < 0.75, rng.beta(2, 2, len(SPECIES)), 0.0)
