"""MQTT discovery for Home Assistant (home-assistant.io/integrations/mqtt): devices and their last calls as entities.

The base station publishes the entities, so the settings of the devices do not depend on Home Assistant. The values come
from the device's topics `status` and `health`, and from `anura/v1/{site}/{device}/last_call`, on which the base station
publishes the event that it stored last: the devices send events in batches, which may be compressed.

The broker retains the entities, so Home Assistant finds them after its restart. It does not retain a call, which would
look like a new call.
"""

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from anura_base.db.engine import root_cause
from anura_base.db.queries import latest_health, rows_after
from anura_base.db.schema import devices, events
from anura_base.ingest.link import Link
from anura_edge.errors import DeliveryError
from anura_edge.wire import Health, topic
from anura_edge.wire.health import MAX_INTERVAL_S, STALE_AFTER_MESSAGES

log = logging.getLogger(__name__)

PUBLISH_EVERY_S = 5.0
TIMEOUT_S = 10.0
MAX_EVENTS = 1_000
"""Events that one query reads. Of each device only the last is published."""

Device = tuple[str, str]
"""Site and name."""

_DISK = "{{ (value_json.disk_free_bytes / 1e9) | round(1) if value_json.disk_free_bytes is not none else none }}"

# The entities for values of the device's health, by the last part of their unique id.
_HEALTH: dict[str, dict[str, Any]] = {
    "pending": {"name": "Rows waiting", "value_template": "{{ value_json.pending }}", "state_class": "measurement"},
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
        "name": "Time since last analysis",
        "value_template": "{{ value_json.since_inference_s }}",
        "unit_of_measurement": "s",
        "device_class": "duration",
    },
    "problems": {"name": "Problems", "value_template": "{{ (value_json.problems | join('; ') or 'none')[:255] }}"},
}

EXPIRE_AFTER_S = 600
"""After this time without a health message a value is unknown. By default there is one each minute."""

CALL_EXPIRES_AFTER_S = 24 * 3_600
"""After this time the last call is not shown as if it were now."""


def expire_after_s(health: Health | None) -> int:
    """Return after how many seconds without a health message a device's values expire."""
    every_s = min(health.every_s, MAX_INTERVAL_S) if health else 0.0
    return max(EXPIRE_AFTER_S, round(STALE_AFTER_MESSAGES * every_s))


def discovery(
    prefix: str, site: str, device: str, expire_s: int = EXPIRE_AFTER_S
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the topic and the configuration of each entity of a device. Every value expires.

    The broker keeps the last status even if the device lost its power at the same moment as the broker. So the state
    `online` comes from the health messages, and the status can only end it.
    """
    # The length makes it unique, because both names may contain underscores: a_b/c and a/b_c.
    identity = f"anura_{len(site)}_{site}_{device}"
    status = topic(site, device, "status")
    shared = {
        "device": {"identifiers": [identity], "name": f"anura {site}/{device}", "manufacturer": "anura-edge"},
        "origin": {"name": "anura-base"},
    }
    available = {"availability_topic": status, "availability_template": "{{ value_json.state }}"}

    def entity(component: str, name: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        unique = f"{identity}_{name}"
        return f"{prefix}/{component}/{unique}/config", {**config, "unique_id": unique, **shared}

    yield entity(
        "binary_sensor",
        "online",
        {
            "name": "Online",
            "state_topic": topic(site, device, "health"),
            "value_template": "online",
            "payload_on": "online",
            "device_class": "connectivity",
            "expire_after": expire_s,
            **available,
        },
    )
    for name, config in _HEALTH.items():
        source = {"state_topic": topic(site, device, "health"), "expire_after": expire_s}
        yield entity("sensor", name, {**config, **source, **available})
    call = {
        "name": "Last call",
        "icon": "mdi:frog",
        "state_topic": last_call_topic(site, device),
        "value_template": "{{ (value_json.scientific_name or value_json.label)[:255] }}",
        "json_attributes_topic": last_call_topic(site, device),
        "expire_after": CALL_EXPIRES_AFTER_S,
    }
    yield entity("sensor", "last_call", call)


def last_call_topic(site: str, device: str) -> str:
    """Return the topic of the event that was stored last."""
    return f"anura/v1/{site}/{device}/last_call"


class HomeAssistant:
    """Publishes devices and their last calls for Home Assistant."""

    def __init__(self, engine: Engine, prefix: str, link: Link) -> None:
        self._engine = engine
        self._prefix = prefix
        self._link = link
        self._published: dict[Device, int] = {}
        """The time after which the values of each published device expire."""
        self._arrival: int | None = None
        """Arrival number of the last event that was published."""

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop` is set. After an error, try again; of several calls only the last is published."""
        while not stop.wait(PUBLISH_EVERY_S):
            if not self._link.connected:
                self._published.clear()  # the broker may have lost its retained messages
                continue
            try:
                self.publish_news()
            except (SQLAlchemyError, DeliveryError) as error:
                log.info("home assistant: %s", root_cause(error) if isinstance(error, SQLAlchemyError) else error)

    def publish_news(self) -> None:
        """Publish new devices and new calls.

        Raises DeliveryError when the broker does not accept a message.
        """
        with self._engine.connect() as connection:
            reports = latest_health(connection)
            known = {
                (site, device): expire_after_s(reports.get((site, device), (None, None))[0])
                for site, device in connection.execute(select(devices.c.site, devices.c.device))
            }
            if self._arrival is None:
                self._arrival = connection.scalar(select(func.max(events.c.arrival))) or 0
            calls = rows_after(connection, events, self._arrival, MAX_EVENTS)
        for site, device in sorted(key for key, expire_s in known.items() if self._published.get(key) != expire_s):
            for name, config in discovery(self._prefix, site, device, known[site, device]):
                self._link.publish_and_wait(name, json.dumps(config).encode(), TIMEOUT_S, retain=True)
            self._published[site, device] = known[site, device]
        for site, device in sorted(self._published.keys() - known):  # it was removed or renamed
            for name, _ in discovery(self._prefix, site, device):
                self._link.publish_and_wait(name, b"", TIMEOUT_S, retain=True)
            del self._published[site, device]
        for (site, device), call in {(call["site"], call["device"]): call for call in calls}.items():
            values = {name: call[name] for name in ("scientific_name", "label", "p_peak", "site", "device")}
            values["start_utc"] = call["start_utc"].isoformat()
            self._link.publish_and_wait(last_call_topic(site, device), json.dumps(values).encode(), TIMEOUT_S)
        if calls:
            self._arrival = calls[-1]["arrival"]
