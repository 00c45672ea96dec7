"""A link that was away, loses packets, is thin or dies without a word delays rows, and does nothing else to them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faultlab.field import Field
from faultlab.link import Link
from faultlab.partitions import after_days, half_open, listener, over
from support import free_port

BATCH = 200
KEEPALIVE_S = 5


@pytest.fixture
def link() -> Iterator[Link]:
    link = Link()
    try:
        link.__enter__()
    except OSError as error:
        pytest.skip(f"this machine lends no network of our own: {error}")
    yield link
    link.__exit__()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def far(tmp_path: Path, link: Link, port: int) -> Iterator[Field]:
    """A broker and a base station at the other end of the link."""
    with Field(tmp_path, listener(port)) as field:
        yield field


def test_newest_event_comes_first_after_days_offline(tmp_path: Path) -> None:
    with Field(tmp_path) as field:
        drain = after_days(field, "days", 4_000, resend_s=2)
    assert drain.books.rows == 4_002
    assert not drain.books.broken
    assert drain.before_alert < 4_000
    assert drain.steps_back <= 1 + drain.books.repeats // BATCH


def test_lossy_link_delivers_all_rows(far: Field, link: Link, port: int) -> None:
    link.lose(20)
    drain = over(far, link, port, "lossy", 500)
    assert not drain.books.broken


def test_slow_link_needs_less_than_a_hundred_bytes_a_row(far: Field, link: Link, port: int) -> None:
    link.thin(64)
    drain = over(far, link, port, "thin", 1_000)
    assert not drain.books.broken
    assert drain.wire_bytes / drain.books.rows < 100


def test_half_open_connection_is_replaced(far: Field, link: Link, port: int) -> None:
    noticed_s, _ = half_open(far, link, port, "half-open", KEEPALIVE_S)
    assert noticed_s < 2 * KEEPALIVE_S  # what MQTT alone would take
