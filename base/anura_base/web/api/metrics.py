"""Metrics for Prometheus at /metrics: the base station and the last health message of each device.

Counters of the ingest are updated while it works. All other values are read from the database at each request, so they
are right after a restart, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import BigInteger, Connection, Engine, cast, func, select

from anura_base.alerts.tables import deliveries, firings
from anura_base.db.queries import latest_health, missing_row_counts, present_states
from anura_base.db.schema import dead_letters, devices, received
from anura_base.ingest.counters import ACKNOWLEDGEMENTS, COMMIT_SECONDS, FAILED_COMMITS, MESSAGES
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.state import BrokerStatus, from_state
from anura_edge.wire import Health

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/metrics")
def metrics(registry: Annotated[CollectorRegistry, from_state("metrics")]) -> Response:
    """Return all metrics. Prometheus needs a token of the role `view`."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def create_registry(engine: Engine, broker: BrokerStatus) -> CollectorRegistry:
    """Return a registry with the counters of the ingest and the values of the database."""
    registry = CollectorRegistry()
    for collector in (MESSAGES, ACKNOWLEDGEMENTS, FAILED_COMMITS, COMMIT_SECONDS, DatabaseCollector(engine, broker)):
        registry.register(collector)
    return registry


@dataclass(frozen=True, slots=True)
class _Device:
    site: str
    device: str
    state: str | None
    last_seen_utc: datetime | None
    missing: int
    health: Health | None
    health_utc: datetime | None
    """Time at which the health message was received."""


class DatabaseCollector(Collector):
    """Reads metrics from the database at each request."""

    def __init__(self, engine: Engine, broker: BrokerStatus) -> None:
        self._engine = engine
        self._broker = broker

    def describe(self) -> list[Metric]:
        """Return an empty list, so that the registration does not read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the current metrics."""
        text = "Whether the base station is connected to the broker."
        yield GaugeMetricFamily("anura_base_broker_connected", text, float(self._broker.connected))
        with self._engine.connect() as connection:
            yield from _station_metrics(connection)
            yield from _alert_metrics(connection)
            found = _read_devices(connection)
        yield from _device_metrics(found)


def _station_metrics(connection: Connection) -> Iterator[Metric]:
    # In PostgreSQL a sum of integers is a decimal. A device may send any number, so the sum is made in Python.
    rows = connection.execute(select(cast(received.c.last - received.c.first + 1, BigInteger)))
    total = float(sum(row[0] for row in rows))
    yield CounterMetricFamily("anura_base_rows", "Rows of events, effort and notices that were stored.", total)
    letters = connection.scalar(select(func.max(dead_letters.c.arrival))) or 0
    yield CounterMetricFamily("anura_base_dead_letters", "Messages that could not be used.", float(letters))


def _alert_metrics(connection: Connection) -> Iterator[Metric]:
    ongoing = GaugeMetricFamily("anura_base_alerts_ongoing", "Alerts whose condition holds now.", labels=["rule"])
    query = select(firings.c.rule, func.count()).where(firings.c.over_utc.is_(None)).group_by(firings.c.rule)
    for rule, count in connection.execute(query):
        ongoing.add_metric([rule], count)
    yield ongoing
    fired = connection.scalar(select(func.max(firings.c.arrival))) or 0
    yield CounterMetricFamily("anura_base_alerts", "Alerts that fired.", float(fired))
    waiting = select(func.count()).select_from(deliveries).where(deliveries.c.next_try_utc.is_not(None))
    text = "Deliveries of alerts that wait for their channel."
    yield GaugeMetricFamily("anura_base_alert_deliveries_waiting", text, float(connection.scalar(waiting) or 0))


def _read_devices(connection: Connection) -> list[_Device]:
    missing, reports = missing_row_counts(connection), latest_health(connection)
    states = present_states(connection, datetime.now(UTC))
    query = select(devices.c.site, devices.c.device, devices.c.last_seen_utc)
    return [
        _Device(
            site, device, states.get((site, device)), seen, missing.get((site, device), 0),
            *reports.get((site, device), (None, None)),
        )
        for site, device, seen in connection.execute(query)
    ]  # fmt: skip


def _device_metrics(found: list[_Device]) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "anura_base_devices", "Devices, by their state: online, offline, unknown.", labels=["state"]
    )
    for state in ("online", "offline", "unknown"):
        states.add_metric([state], sum((device.state or "unknown") == state for device in found))
    yield states
    for name, (text, values) in _gauges(found).items():
        family = GaugeMetricFamily(f"anura_device_{name}", text, labels=["site", "device"])
        for device, value in zip(found, values, strict=True):
            if value is not None:
                family.add_metric([device.site, device.device], float(value))
        yield family


def _gauges(found: list[_Device]) -> dict[str, tuple[str, list[float | None]]]:
    """Return the help text of each gauge and its value for each device, None if it is unknown."""

    def health(field: str) -> list[float | None]:
        return [None if device.health is None else getattr(device.health, field) for device in found]

    problems: list[float | None] = [None if d.health is None else len(d.health.problems) for d in found]
    return {
        "online": (
            "Whether it said that it is online, and sent a message lately.",
            [float(device.state == "online") for device in found],
        ),
        "last_seen_timestamp_seconds": ("Time of the last message.", [_unix(d.last_seen_utc) for d in found]),
        "missing_rows": ("Rows that the device deleted before they were received.", [float(d.missing) for d in found]),
        "health_timestamp_seconds": ("Time of the last health message.", [_unix(d.health_utc) for d in found]),
        "pending_rows": ("Rows in the outbox of the device.", health("pending")),
        "oldest_pending_seconds": ("Age of the oldest row in the outbox.", health("oldest_pending_s")),
        "disk_free_bytes": ("Free space on the disk.", health("disk_free_bytes")),
        "temperature_celsius": ("Temperature of the processor.", health("temperature_c")),
        "clock_synchronised": ("Whether the clock is synchronised.", health("clock_synchronised")),
        "since_inference_seconds": ("Time since the model last scored audio.", health("since_inference_s")),
        "analysed_seconds": ("Audio analysed since the program started.", health("analysed_s")),
        "dropped_seconds": ("Audio lost before its analysis, since the program started.", health("dropped_s")),
        "problems": ("Number of problems that the device reports.", problems),
    }


def _unix(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
