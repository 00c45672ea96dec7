"""Real devices, brokers and base stations, and faults of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faultlab import disk
from faultlab.servers import Servers
from support import need


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A broker and a base station without faults. Each test has a device of its own."""
    need("mosquitto")
    with Servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture(scope="session")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that records the file operations of a process."""
    need("gcc")
    return disk.build_recorder(tmp_path_factory.mktemp("recorder"))
