"""MQTT topic names: build and parse."""

import re
from typing import Literal, cast

from anura_edge.errors import DeliveryError
from anura_edge.wire.types import Kind

KINDS = "event|effort|notice|status|health|ack|clip|cmd|update"

_TOPIC = re.compile(rf"anura/v1/([A-Za-z0-9_-]{{1,32}})/([A-Za-z0-9_-]{{1,32}})/({KINDS})", re.ASCII)


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a site or device."""
    return bool(re.fullmatch("[A-Za-z0-9_-]{1,32}", text, re.ASCII))


def topic(site: str, device: str, kind: Kind | Literal["+"]) -> str:
    """Return the topic of a kind of message. With `+` as site, device or kind it is a subscription."""
    return f"anura/v1/{site}/{device}/{kind}"


def parse_topic(name: str) -> tuple[str, str, Kind]:
    """Return the site, device and kind of a topic.

    Raises DeliveryError on any other topic.
    """
    if not (match := _TOPIC.fullmatch(name)):
        raise DeliveryError(f"topic {name!r} is not anura/v1/{{site}}/{{device}}/{{{KINDS}}}")
    site, device, kind = match.groups()
    return site, device, cast(Kind, kind)
