"""The metrics for Prometheus, and the queries of the Grafana dashboard."""

import json
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine
from starlette.testclient import TestClient

from anura_base.ingest.ingest_queue import IngestQueue
from anura_base.ingest.messages import RawMessage
from anura_base.ingest.worker import IngestWorker
from anura_base.web.app import create_app
from anura_edge.wire import Status, batch, topic

DASHBOARD = Path(__file__).parents[4] / "deploy" / "base" / "grafana.json"
BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
NAME = re.compile(r"\banura_[a-z_]+")


@pytest.fixture
def client(engine: Engine, make) -> TestClient:  # noqa: ANN001
    """A base station whose worker has stored a message of each kind."""
    journal, queue, stop = uuid4(), IngestQueue(), threading.Event()
    health = make.health(temperature_c=50, oldest_pending_s=9, disk_free_bytes=10**9, clock_synchronised=True)
    sent = [
        ("event", batch(journal, 1, [make.event(1), make.event(2), make.event(2)])),
        ("event", batch(journal, 3, [make.event(5)])),
        ("effort", b"{"),
        ("status", Status(state="online").to_bytes()),
        ("health", health.model_copy(update={"since_inference_s": 3.0}).to_bytes()),
    ]
    for kind, payload in sent:
        assert queue.offer(RawMessage(topic("pond", "one", kind), payload, False, datetime.now(UTC)))
    worker = IngestWorker(engine, queue, lambda *_: None)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    while not worker.commits:
        stop.wait(0.05)
    stop.set()
    thread.join()
    return TestClient(create_app(engine, worker, SimpleNamespace(connected=True), stop), base_url="http://127.0.0.1")


def read(client: TestClient) -> dict[tuple[str, ...], float]:
    text = client.get("/metrics").text
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels, reverse=True))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@BOTH
def test_metrics_count_rows_and_report_the_devices(client: TestClient) -> None:
    found = read(client)
    assert found["anura_base_rows_total",] == 3, "a repeated row counts once"
    assert found["anura_base_dead_letters_total",] == 1
    assert found["anura_base_devices", "online"] == 1
    assert found["anura_base_broker_connected",] == 1
    assert found["anura_device_pending_rows", "pond", "one"] == 1_234
    assert found["anura_device_disk_free_bytes", "pond", "one"] == 1e9
    assert abs(found["anura_device_last_seen_timestamp_seconds", "pond", "one"] - datetime.now(UTC).timestamp()) < 300
    assert found["anura_base_messages_total",] >= 5
    assert found["anura_base_commit_seconds_count",] >= 1


def test_the_dashboard_queries_only_existing_metrics(client: TestClient) -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queried = {
        name for panel in board["panels"] for target in panel["targets"] for name in NAME.findall(target["expr"])
    }
    queried |= {
        name for item in board["templating"]["list"] for name in NAME.findall(json.dumps(item.get("query", "")))
    }
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    exported = {sample.name for family in families for sample in family.samples} | {family.name for family in families}
    assert len(queried) > 15
    assert queried - exported == set()


def test_dashboard_layout_and_source_are_valid() -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    cells = [
        (place["x"] + dx, place["y"] + dy)
        for panel in board["panels"]
        for place in [panel["gridPos"]]
        for dx in range(place["w"])
        for dy in range(place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"${source}"}
