"""Home Assistant finds the devices by itself, by its MQTT discovery (home-assistant.io/integrations/mqtt).

The base station tells it, not the device, whose settings need not know who else listens. What is shown comes from the
device's own topics `status` and `health`, and from `anura/v1/{site}/{device}/last_call`, where the base station says
what it stored last: calls come in batches that may be compressed.

The broker keeps what is said about entities, so Home Assistant finds it after a restart of its own. It does not keep a
call, which would seem to happen again.
"""

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from anura_base.db.engine import root_cause
from anura_base.db.queries import rows_after
from anura_base.db.schema import devices, events
from anura_base.ingest.subscriber import Subscriber
from anura_edge.errors import DeliveryError
from anura_edge.wire import topic

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
TIMEOUT_S = 10.0
PAGE = 1_000

Device = tuple[str, str]
"""Site and name."""

_DISK = "{{ (value_json.disk_free_bytes / 1e9) | round(1) if value_json.disk_free_bytes is not none else none }}"

# What each entity reads of the device's health, and how Home Assistant should take it.
_HEALTH: dict[str, dict[str, Any]] = {
    "pending": {"name": "Rows that wait", "value_template": "{{ value_json.pending }}", "state_class": "measurement"},
    "disk": {
        "name": "Free disk",
        "value_template": _DISK,
        "unit_of_measurement": "GB",
        "device_class": "data_size",
        "state_class": "measurement",
    },
    "temperature": {
        "name": "Temperature",
        "value_template": "{{ value_json.temperature_c }}",
        "unit_of_measurement": "°C",
        "device_class": "temperature",
        "state_class": "measurement",
    },
    "heard": {
        "name": "Since audio was analysed",
        "value_template": "{{ value_json.since_inference_s }}",
        "unit_of_measurement": "s",
        "device_class": "duration",
    },
    "problems": {"name": "Problems", "value_template": "{{ value_json.problems | join('; ') or 'none' }}"},
}

EXPIRE_AFTER_S = 600
"""Then a value of its health is no longer known: it comes each minute as a rule."""


def discovery(prefix: str, site: str, device: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the topic and the description of each entity of a device."""
    # With the length, because both names may have an underscore: a_b/c is not a/b_c.
    identity = f"anura_{len(site)}_{site}_{device}"
    status = topic(site, device, "status")
    shared = {
        "device": {"identifiers": [identity], "name": f"anura {site}/{device}", "manufacturer": "anura-edge"},
        "origin": {"name": "anura-base"},
    }
    available = {"availability_topic": status, "availability_template": "{{ value_json.state }}"}

    def entity(component: str, what: str, described: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        unique = f"{identity}_{what}"
        return f"{prefix}/{component}/{unique}/config", {**described, "unique_id": unique, **shared}

    yield entity(
        "binary_sensor",
        "online",
        {
            "name": "Online",
            "state_topic": status,
            "value_template": "{{ value_json.state }}",
            "payload_on": "online",
            "payload_off": "offline",
            "device_class": "connectivity",
        },
    )
    for what, described in _HEALTH.items():
        source = {"state_topic": topic(site, device, "health"), "expire_after": EXPIRE_AFTER_S}
        yield entity("sensor", what, {**described, **source, **available})
    call = {
        "name": "Last call",
        "icon": "mdi:frog",
        "state_topic": last_call_topic(site, device),
        "value_template": "{{ value_json.scientific_name[:255] }}",
        "json_attributes_topic": last_call_topic(site, device),
    }
    yield entity("sensor", "last_call", call)


def last_call_topic(site: str, device: str) -> str:
    """Name the topic that says which call was stored last."""
    return f"anura/v1/{site}/{device}/last_call"


class HomeAssistant:
    """Tells Home Assistant of devices and their last calls."""

    def __init__(self, engine: Engine, prefix: str, subscriber: Subscriber) -> None:
        self._engine = engine
        self._prefix = prefix
        self._subscriber = subscriber
        self._told: set[Device] = set()
        self._arrival: int | None = None

    def run(self, stop: threading.Event) -> None:
        """Tell until told to stop. What cannot be told now is told later; of calls, the last alone."""
        while not stop.wait(LOOK_EVERY_S):
            if not self._subscriber.connected:
                self._told.clear()  # the broker may come back without what it had kept
                continue
            try:
                self.publish_news()
            except (SQLAlchemyError, DeliveryError) as error:
                log.info("home assistant: %s", root_cause(error) if isinstance(error, SQLAlchemyError) else error)

    def publish_news(self) -> None:
        """Tell what is new.

        Raises DeliveryError when the broker does not take it.
        """
        with self._engine.connect() as connection:
            known = {(site, device) for site, device in connection.execute(select(devices.c.site, devices.c.device))}
            if self._arrival is None:
                self._arrival = connection.scalar(select(func.max(events.c.arrival))) or 0
            calls = rows_after(connection, events, self._arrival, PAGE)
        for site, device in sorted(known - self._told):
            for name, described in discovery(self._prefix, site, device):
                self._subscriber.publish_and_wait(name, json.dumps(described).encode(), TIMEOUT_S, retain=True)
            self._told.add((site, device))
        for (site, device), call in {(call["site"], call["device"]): call for call in calls}.items():
            shown = {name: call[name] for name in ("scientific_name", "label", "p_peak", "site", "device")}
            shown["start_utc"] = call["start_utc"].isoformat()
            self._subscriber.publish_and_wait(last_call_topic(site, device), json.dumps(shown).encode(), TIMEOUT_S)
        if calls:
            self._arrival = calls[-1]["arrival"]
