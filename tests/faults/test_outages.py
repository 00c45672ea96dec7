"""A broker or a base station that is killed with rows in flight loses none, and the base station has each once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faultlab.outages import kill_bases, kill_brokers
from faultlab.servers import Servers

ROWS = 1_000


@pytest.fixture
def fragile_servers(tmp_path: Path) -> Iterator[Servers]:
    """A broker and a base station that may be killed."""
    with Servers(tmp_path) as servers:
        yield servers


def test_killed_broker_loses_no_row_of_a_device(fragile_servers: Servers) -> None:
    report = kill_brokers(fragile_servers, 2, ROWS, seed=1)
    assert (report.crashes, report.rows) == (2, ROWS)
    assert not report.violations


def test_base_station_killed_at_commits_has_each_row_once(fragile_servers: Servers) -> None:
    report = kill_bases(fragile_servers, 4, ROWS, seed=1)
    assert report.crashes == 4
    assert report.rows >= ROWS
    assert report.uncommitted + report.unacknowledged > 0
    assert not report.violations
