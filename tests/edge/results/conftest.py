"""Random bouts and effort at sites whose nights are difficult."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest

from anura_edge.events import EffortState
from anura_edge.results.rows import Bout, SiteEffort
from anura_edge.wire import Owner

BEGINS = {  # each a few nights around a change of the clocks or into the polar summer
    "cerrado": datetime(2026, 11, 20, tzinfo=UTC),
    "clocks-go-back": datetime(2026, 10, 23, tzinfo=UTC),
    "half-an-hour": datetime(2026, 10, 2, tzinfo=UTC),
    "polar": datetime(2026, 5, 16, tzinfo=UTC),
}
SPECIES = ("Physalaemus cuvieri", "Boana faber")


@pytest.fixture(scope="session")
def random_rows() -> Callable[[int], tuple[list[Bout], list[SiteEffort]]]:
    """Make bouts and effort of five days at each site from a seed. Effort is in whole minutes."""

    def make(seed: int) -> tuple[list[Bout], list[SiteEffort]]:
        rng = np.random.default_rng(seed)
        bouts, spans = [], []
        for site, begin in BEGINS.items():
            for _ in range(12):
                start = begin + timedelta(minutes=int(rng.integers(0, 5 * 1440)))
                end = start + timedelta(minutes=int(rng.integers(1, 300)))
                state = EffortState.ANALYSED if rng.random() < 0.8 else EffortState.UNREADABLE
                spans.append(SiteEffort(Owner(site, f"device-{rng.integers(2)}"), state, start, end))
                for _ in range(int(rng.integers(0, 6))):
                    at = start + (end - start) * float(rng.random())
                    bouts.append(make_bout(site, at, float(rng.uniform(0.5, 60)), SPECIES[int(rng.integers(2))]))
        return bouts, spans

    return make


def make_bout(site: str, start: datetime, length_s: float, species: str, score: float = 0.9) -> Bout:
    end = start + timedelta(seconds=length_s)
    names = species[:6].upper(), species, ""
    number = UUID(int=int(start.timestamp() * 1e6))
    return Bout(number, Owner(site, "device-0"), *names, score, start, end, "f00d", "a.wav", 0, 100, 8_000)
