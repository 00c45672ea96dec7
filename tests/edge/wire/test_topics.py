"""A topic is built and parsed exactly, or refused."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.errors import DeliveryError
from anura_edge.wire import (
    parse_topic,
    topic,
)

names = st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True)


@given(names, names, st.sampled_from(["event", "effort", "notice", "status", "health", "ack"]))
def test_topic_round_trips(site: str, device: str, kind: Any) -> None:
    assert parse_topic(topic(site, device, kind)) == (site, device, kind)


@given(st.text(max_size=40) | st.from_regex(r"anura/v1/[^/]*/[^/]*/[a-z]*\n?", fullmatch=True))
def test_parsed_topic_is_exact_or_refused(name: str) -> None:
    with suppress(DeliveryError):
        assert topic(*parse_topic(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "anura/v1/a/b/event/",
        "anura/v1/a/b/event\n",
        "\nanura/v1/a/b/event",
        "anura/v1/a/b/event/c",
        "anura/v1/a/+/event",
        "anura/v1/#",
        "anura/v1//b/event",
        "anura/v1/a b/c/event",
        "anura/v1/à/b/event",
        "anura/v1/٣/b/event",
        "anura/v1/a/../event",
        "anura/v2/a/b/event",
        "anura/v1/a/b/command",
        "anura/v1/" + "a" * 33 + "/b/event",
        "$share/x/anura/v1/a/b/event",
    ],
)
def test_other_topic_is_refused(name: str) -> None:
    with pytest.raises(DeliveryError, match="is not anura/v1"):
        parse_topic(name)
