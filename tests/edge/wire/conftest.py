"""A batch of rows."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from anura_edge import wire
from anura_edge.events import Event
from anura_edge.wire import (
    Provenance,
)


@pytest.fixture(scope="module")
def event_batch(make_event: Callable[..., Event], provenance: Provenance) -> dict[str, Any]:
    """An honest batch, as JSON."""
    rows = [wire.event_row(seq, make_event(seq), provenance) for seq in (1, 2)]
    return json.loads(wire.batch(UUID(int=1), 1, rows))
