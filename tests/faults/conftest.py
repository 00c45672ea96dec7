"""Real devices, brokers and base stations, and ways to hurt them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faultlab import disk
from faultlab.field import Field
from support import need


@pytest.fixture(scope="session")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """A broker and a base station, which stay well; each test has a device of its own."""
    need("mosquitto")
    with Field(tmp_path_factory.mktemp("field")) as field:
        yield field


@pytest.fixture(scope="session")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that records what a process asks of its disk."""
    need("gcc")
    return disk.build(tmp_path_factory.mktemp("recorder"))
