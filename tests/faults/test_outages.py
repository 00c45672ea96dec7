"""A broker or a base station that dies with rows on their way to it loses none, and the base station has each once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faultlab.field import Field
from faultlab.outages import kill_bases, kill_brokers

ROWS = 1_000


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Field]:
    """A broker and a base station that may be killed."""
    with Field(tmp_path) as field:
        yield field


def test_killed_broker_loses_no_row_of_a_device(mortal: Field) -> None:
    books = kill_brokers(mortal, 2, ROWS, seed=1)
    assert (books.deaths, books.rows) == (2, ROWS)
    assert not books.broken


def test_base_station_killed_at_commits_has_each_row_once(mortal: Field) -> None:
    books = kill_bases(mortal, 4, ROWS, seed=1)
    assert books.deaths == 4
    assert books.rows >= ROWS
    assert books.uncommitted + books.unacknowledged > 0
    assert not books.broken
