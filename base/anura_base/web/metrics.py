"""What Prometheus reads at /metrics: how the base station works, and how each device said it is.

What the worker does is counted as it does it. The rest is read from the database when somebody asks, so that it is
right after a restart, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import BigInteger, Connection, Engine, cast, func, select

from anura_base.alerts.tables import deliveries, firings
from anura_base.db.queries import latest_health, missing_row_counts
from anura_base.db.schema import dead_letters, devices, received
from anura_base.ingest.counters import ACKNOWLEDGEMENTS, COMMIT_SECONDS, FAILED_COMMITS, MESSAGES
from anura_base.web.auth import Viewer
from anura_edge.wire import Health


class Connected(Protocol):
    """What is asked of the connection to the broker."""

    @property
    def connected(self) -> bool:
        """Whether messages can come."""


@dataclass(frozen=True, slots=True)
class _Device:
    site: str
    device: str
    state: str | None
    last_seen_utc: datetime | None
    missing: int
    said: Health | None
    said_utc: datetime | None


class StationCollector(Collector):
    """Reads the database when Prometheus asks."""

    def __init__(self, engine: Engine, subscriber: Connected) -> None:
        self._engine = engine
        self._subscriber = subscriber

    def describe(self) -> list[Metric]:
        """Return nothing: then nobody asks the database before there is somebody to answer."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what the database knows now."""
        connected = "Whether messages can come from the broker."
        yield GaugeMetricFamily("anura_base_broker_connected", connected, float(self._subscriber.connected))
        with self._engine.connect() as connection:
            yield from _station(connection)
            yield from _alerts(connection)
            known = _devices(connection)
        yield from _of_devices(known)


def _station(connection: Connection) -> Iterator[Metric]:
    # PostgreSQL sums integers as decimals; a device may claim any number, so none may overflow.
    rows = connection.execute(select(cast(received.c.last - received.c.first + 1, BigInteger)))
    total = float(sum(row[0] for row in rows))
    yield CounterMetricFamily(
        "anura_base_rows", "Rows of calls, effort and notices that were stored, each once.", total
    )
    letters = connection.scalar(select(func.max(dead_letters.c.arrival))) or 0
    yield CounterMetricFamily("anura_base_dead_letters", "Messages that could not be used.", float(letters))


def _alerts(connection: Connection) -> Iterator[Metric]:
    ongoing = GaugeMetricFamily("anura_base_alerts_ongoing", "Alerts that hold now.", labels=["rule"])
    query = select(firings.c.rule, func.count()).where(firings.c.over_utc.is_(None)).group_by(firings.c.rule)
    for rule, count in connection.execute(query):
        ongoing.add_metric([rule], count)
    yield ongoing
    fired = connection.scalar(select(func.max(firings.c.arrival))) or 0
    yield CounterMetricFamily("anura_base_alerts", "Alerts that were told.", float(fired))
    waiting = select(func.count()).select_from(deliveries).where(deliveries.c.next_try_utc.is_not(None))
    text = "Alerts that wait for their channel."
    yield GaugeMetricFamily("anura_base_alert_deliveries_waiting", text, float(connection.scalar(waiting) or 0))


def _devices(connection: Connection) -> list[_Device]:
    missing, said = missing_row_counts(connection), latest_health(connection)
    query = select(devices.c.site, devices.c.device, devices.c.state, devices.c.last_seen_utc)
    return [
        _Device(
            site, device, state, seen, missing.get((site, device), 0), *said.get((site, device), (None, None))
        )
        for site, device, state, seen in connection.execute(query)
    ]  # fmt: skip


def _of_devices(known: list[_Device]) -> Iterator[Metric]:
    states = GaugeMetricFamily("anura_base_devices", "Devices, by what they last said.", labels=["state"])
    for state in ("online", "offline", "unknown"):
        states.add_metric([state], sum((device.state or "unknown") == state for device in known))
    yield states
    for name, (text, values) in _measures(known).items():
        family = GaugeMetricFamily(f"anura_device_{name}", text, labels=["site", "device"])
        for device, value in zip(known, values, strict=True):
            if value is not None:
                family.add_metric([device.site, device.device], float(value))
        yield family


def _measures(known: list[_Device]) -> dict[str, tuple[str, list[float | None]]]:
    """Return each gauge of devices: what it is, and its value for each, where it is known."""

    def said(field: str) -> list[float | None]:
        return [None if device.said is None else getattr(device.said, field) for device in known]

    return {
        "online": ("Whether its last status was online.", [float(device.state == "online") for device in known]),
        "last_seen_timestamp_seconds": ("When something last came.", [_seconds(d.last_seen_utc) for d in known]),
        "missing_rows": ("Rows that it gave up before they came.", [float(device.missing) for device in known]),
        "health_timestamp_seconds": ("When it last said how it is.", [_seconds(d.said_utc) for d in known]),
        "pending_rows": ("Rows that wait on the device.", said("pending")),
        "oldest_pending_seconds": ("How long the oldest of them has waited.", said("oldest_pending_s")),
        "disk_free_bytes": ("Free space on its disk.", said("disk_free_bytes")),
        "temperature_celsius": ("Temperature of its processor.", said("temperature_c")),
        "clock_synchronised": ("Whether something keeps its clock right.", said("clock_synchronised")),
        "since_inference_seconds": ("Since its model last scored audio, when it said so.", said("since_inference_s")),
        "analysed_seconds": ("Audio analysed since its program started.", said("analysed_s")),
        "dropped_seconds": ("Audio lost before it was analysed, since its program started.", said("dropped_s")),
        "problems": ("Problems that it names.", [None if d.said is None else len(d.said.problems) for d in known]),
    }


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def metrics_routes(engine: Engine, subscriber: Connected) -> APIRouter:
    """Return the route that Prometheus reads. It needs a viewer's token, as every page does."""
    router = APIRouter()
    registry = CollectorRegistry()
    for collector in (MESSAGES, ACKNOWLEDGEMENTS, FAILED_COMMITS, COMMIT_SECONDS, StationCollector(engine, subscriber)):
        registry.register(collector)

    @router.get("/metrics")
    def metrics(_viewer: Viewer) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
