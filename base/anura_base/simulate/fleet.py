"""The sites and the recorders that stand there, each with a fate of its own."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid5

import numpy as np

from anura_base.config.settings import Site
from anura_base.simulate.fauna import SPECIES
from anura_edge.events import NAMESPACE


class Scenario(StrEnum):
    """What happens to a recorder in its season."""

    SOUND = "sound"
    """Nothing worth telling."""
    GAPS = "gaps"
    """It is off for some nights, again and again."""
    TIRED = "tired"
    """Its battery fades: it pauses for more and more of each night, until it is charged."""
    DRIFTING = "drifting"
    """Its clock goes wrong by seconds a day, and is set now and then."""
    DEAF = "deaf"
    """From some night on its microphone hears nothing."""
    CLIPPING = "clipping"
    """Its gain is too high for a chorus at hand."""
    LOST = "lost"
    """After some night nothing comes any more."""


_FATES = (
    Scenario.SOUND,
    Scenario.GAPS,
    Scenario.TIRED,
    Scenario.DRIFTING,
    Scenario.CLIPPING,
    Scenario.DEAF,
    Scenario.LOST,
)

SITES = {
    "beaver-pond": Site(
        title="Beaver pond",
        latitude_deg=35.98,
        longitude_deg=-78.94,
        zone="America/New_York",
        habitat="A beaver pond in an oak and hickory forest, reeds on one shore",
    ),
    "bay-swamp": Site(
        title="Bay swamp",
        latitude_deg=34.72,
        longitude_deg=-78.55,
        zone="America/New_York",
        habitat="A Carolina bay with cypresses, dry in most autumns",
    ),
    "ditch": Site(
        title="Roadside ditch",
        latitude_deg=35.41,
        longitude_deg=-77.98,
        zone="America/New_York",
        habitat="A ditch between fields, full after rain",
    ),
    "vernal-pool": Site(
        title="Vernal pool",
        latitude_deg=36.21,
        longitude_deg=-79.68,
        zone="America/New_York",
        habitat="A pool without fish in a forest, from January to June",
    ),
    "lake-shore": Site(
        title="Lake shore",
        latitude_deg=35.73,
        longitude_deg=-79.02,
        zone="America/New_York",
        habitat="A reservoir's shallow arm with willows",
    ),
    "river-bend": Site(
        title="River bend",
        latitude_deg=35.02,
        longitude_deg=-85.33,
        zone="America/New_York",
        habitat="A flood plain with oxbows",
    ),
}
"""Places that could be real, where nobody has put a recorder."""


@dataclass(frozen=True, slots=True)
class SimulatedRecorder:
    """A recorder and what stands around it."""

    site: str
    name: str
    number: int
    fate: Scenario
    from_card: bool
    """A card that is read now and then, in files of an hour; else a microphone that is heard all night."""
    abundance: tuple[float, ...]
    """How many frogs of each species are within earshot, 1 for a good chorus."""
    journal: UUID

    @property
    def place(self) -> Site:
        """Where it stands."""
        return SITES[self.site]


def make_fleet(devices: int, seed: int) -> list[SimulatedRecorder]:
    """Return so many recorders, spread over the sites; with seven or more there is one of each fate."""
    sites = [*SITES]
    here = {name: _community(np.random.default_rng([seed, n])) for n, name in enumerate(sites)}
    recorders = []
    for number in range(devices):
        site = sites[number % len(sites)]
        dice = np.random.default_rng([seed, 1_000 + number])
        name = f"recorder-{number // len(sites) + 1}"
        within_earshot = here[site] * dice.lognormal(0, 0.3, len(SPECIES))
        fate = _FATES[number % len(_FATES)] if number < len(_FATES) or dice.random() < 0.3 else Scenario.SOUND
        journal = uuid5(NAMESPACE, f"simulated/{seed}/{site}/{name}")
        recorders.append(SimulatedRecorder(site, name, number, fate, number % 3 == 1, tuple(within_earshot), journal))
    return recorders


def _community(dice: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Choose which species a site has, and how many of each."""
    return np.where(dice.random(len(SPECIES)) < 0.75, dice.beta(2, 2, len(SPECIES)), 0.0)
