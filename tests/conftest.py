"""Real parts for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Broker, free_port


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path, free_port())
    broker.start()
    yield broker
    broker.stop()
