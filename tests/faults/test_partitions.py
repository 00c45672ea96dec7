"""A link that is down, lossy, slow or half open delays rows, and does not lose or change them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faultlab.network_link import NetworkLink
from faultlab.partitions import deliver_after_outage, deliver_over, listener_setting, measure_half_open
from faultlab.servers import Servers
from support import free_port

BATCH = 200
KEEPALIVE_S = 5


@pytest.fixture
def link() -> Iterator[NetworkLink]:
    link = NetworkLink()
    try:
        link.__enter__()
    except OSError as error:
        pytest.skip(f"this machine allows no network namespace: {error}")
    yield link
    link.__exit__()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def remote_servers(tmp_path: Path, link: NetworkLink, port: int) -> Iterator[Servers]:
    """A broker and a base station at the other end of the link."""
    with Servers(tmp_path, listener_setting(port)) as servers:
        yield servers


def test_newest_event_comes_first_after_days_offline(tmp_path: Path) -> None:
    with Servers(tmp_path) as servers:
        drain = deliver_after_outage(servers, "days", 4_000, resend_s=2)
    assert drain.report.rows == 4_002
    assert not drain.report.violations
    assert drain.before_alert < 4_000
    assert drain.steps_back <= 1 + drain.report.repeats // BATCH


def test_lossy_link_delivers_all_rows(remote_servers: Servers, link: NetworkLink, port: int) -> None:
    link.drop_packets(20)
    drain = deliver_over(remote_servers, link, port, "lossy", 500)
    assert not drain.report.violations


def test_slow_link_needs_less_than_a_hundred_bytes_a_row(remote_servers: Servers, link: NetworkLink, port: int) -> None:
    link.limit_rate(64)
    drain = deliver_over(remote_servers, link, port, "thin", 1_000)
    assert not drain.report.violations
    assert drain.wire_bytes / drain.report.rows < 100


def test_half_open_connection_is_replaced(remote_servers: Servers, link: NetworkLink, port: int) -> None:
    noticed_s, _ = measure_half_open(remote_servers, link, port, "half-open", KEEPALIVE_S)
    assert noticed_s < 2 * KEEPALIVE_S  # what MQTT alone would take
