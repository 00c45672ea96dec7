import re
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from support import DEADLINE_S, Broker, eventually, free_port

from anura_base.db.engine import open_database
from anura_base.db.schema import events
from anura_edge.errors import ExitCode
from anura_edge.wire import MAX_PAYLOAD_BYTES, Status

# A base station that kills itself between the commit and the acknowledgement.
DIES_BEFORE_ACK = """
import os, signal
from anura_base.cli.main import main
from anura_base.ingest.subscriber import Subscriber
Subscriber.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
main()
"""


@pytest.fixture(scope="module")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker"), free_port())
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def shared_base(shared_broker: Broker, launch: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One base station for the tests that do not count rows and do not stop it."""
    folder = tmp_path_factory.mktemp("base")
    config = folder / "base.yaml"
    config.write_text(f"state_dir: {folder}\nmqtt:\n  port: {shared_broker.port}\nweb:\n  port: 0\n")
    base = launch(config)
    eventually(base.connected)
    return base


@pytest.fixture
def new_device(shared_broker: Broker, device_type: Any) -> Iterator[Callable[[str], Any]]:
    """Connect a device to the shared broker. Each test has a device of its own."""
    devices = []

    def connect(name: str) -> Any:
        devices.append(device_type(shared_broker.port, name=name))
        return devices[-1]

    yield connect
    for device in devices:
        device.stop()


on_both = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


def stored_events(database_url: str) -> int:
    engine = open_database(database_url)
    with engine.connect() as connection:
        count = connection.scalar(select(func.count()).select_from(events))
    engine.dispose()
    return count


def test_repeated_batch_is_stored_once_and_acknowledged_again(base, device, make) -> None:  # noqa: ANN001
    rows = make.event(1), make.event(2)
    device.send(*rows)
    assert device.ack() == 2
    device.send(*rows)
    assert device.ack() == 2
    device.send(make.effort(3))
    assert device.ack() == 3
    assert base.json("api/events/ids") == [str(row.id) for row in rows]


@on_both
def test_kill_between_commit_and_acknowledgement_loses_nothing(start_base, device, make, database_url: str) -> None:  # noqa: ANN001
    doomed = start_base([sys.executable, "-c", DIES_BEFORE_ACK])
    eventually(doomed.connected)
    rows = tuple(make.event(seq) for seq in range(1, 51))
    device.send(*rows)
    doomed.process.wait(20)
    assert doomed.process.returncode == -signal.SIGKILL
    assert (stored_events(database_url), device.acks.qsize()) == (50, 0)

    base = start_base()
    device.send(*rows)
    assert device.ack() == 50
    assert base.json("api/events/ids") == [str(row.id) for row in rows]


def test_broker_stores_messages_while_the_server_is_off(start_base, device, make) -> None:  # noqa: ANN001
    first = start_base()
    eventually(first.connected)
    assert first.stop() == 0
    device.send(make.event(1))
    start_base()
    assert device.ack() == 1


def test_acknowledgement_is_not_retained(base, broker, device, make) -> None:  # noqa: ANN001
    device.send(make.event(1))
    assert device.ack() == 1
    device.stop()
    again = type(device)(broker.port, journal=device.journal)
    again.send(make.event(2))
    assert again.ack() == 2
    again.stop()


def test_server_reconnects_after_a_broker_outage(base, broker, device, make) -> None:  # noqa: ANN001
    broker.stop()
    eventually(lambda: not base.connected())
    assert base.json("api/devices") == []
    for page in ("", "network", "species", "night", "anomalies", "review", "explore", "alerts"):
        assert "The broker is not connected" in base.get(page), page
    broker.start()
    eventually(base.connected)
    assert "The broker is not connected" not in base.get("")
    device.send(make.event(1))
    assert device.ack() == 1


def test_server_waits_for_a_broker_that_starts_later(start_base, broker) -> None:  # noqa: ANN001
    broker.stop()
    base = start_base()
    assert not base.connected()
    broker.start()
    eventually(base.connected)


def test_hostile_messages_are_refused(base, device, make) -> None:  # noqa: ANN001
    device.send_raw("event", b"{")
    device.send_raw("event", b" " * (MAX_PAYLOAD_BYTES + 1))
    device.send_raw("effort", b" " * (3 * MAX_PAYLOAD_BYTES))  # the broker does not pass this on
    device.send_raw("status", b"\0" * 100)
    device.send(make.event(1))
    assert device.ack() == 1
    assert "Dead letters</a></dt><dd>3<" in base.get("")


def test_text_from_a_device_is_escaped(shared_base, new_device, make) -> None:  # noqa: ANN001
    device = new_device("escaped")
    call = make.event(1, recording_name="<script>alert(1)</script>", label="'\"><img src=x>")
    device.send(call)
    device.ack()
    for path in ("", "calls", f"calls/{call.id}"):
        page = shared_base.get(path)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@on_both
def test_pages_show_calls_devices_and_effort(base, device, make) -> None:  # noqa: ANN001
    device.send_raw("status", Status(state="online", model_id="anuraset-student").to_bytes(), retain=True)
    device.send(make.effort(3, hours=11.5), make.effort(4, make.state.DROPPED, 0.25), floor=3)
    call = make.event(5, clock_source="unknown")
    device.send(call, floor=3)
    while device.ack() < 5:
        pass
    page = " ".join(base.get("").split())
    for text in (
        "<em>Physalaemus cuvieri</em>", "2026-11-20 19:30:50", "2.0 s", "0.93", "-32 dBFS", ">swamp-1<",
        "its offset is unknown", "Rows missing</dt><dd>2<",
    ):  # fmt: skip
        assert text in page
    of_call = base.get(f"calls/{call.id}")
    assert "PHYCUV" in of_call
    assert "SITE_20261120_193000.wav" in of_call
    assert '"state online"' in base.get("network")
    (view,) = base.json("api/devices")
    assert view["effort_h"] == dict.fromkeys(make.state, 0.0) | {"analysed": 11.5, "dropped": 0.25}
    assert (view["state"], view["events"], view["missing"]) == ("online", 1, 2)


def test_network_page_shows_the_health_of_a_device(shared_base, new_device, make) -> None:  # noqa: ANN001
    device = new_device("health")
    device.send_raw("health", make.health(oldest_pending_s=7_300, since_inference_s=3, temperature_c=61.2).to_bytes())
    path = f"network/{device.site}/{device.name}"
    assert eventually(lambda: f'href="/{path}"' in shared_base.get("network"))
    page = " ".join(shared_base.get(path).split())
    for text in ("1,234 rows", "for 2 h", "analysed audio 3 s before", "0 s of audio dropped in 2 gaps", "61 °C"):
        assert text in page
    ill = make.health(problems=("<b>the model does not answer</b>",), disk_free_bytes=1_550_000_000)
    device.send_raw("health", ill.to_bytes())
    page = eventually(lambda: " ".join(text.split()) if "1.6 GB" in (text := shared_base.get("network")) else None)
    assert "&lt;b&gt;the model does not answer" in page
    devices = page[page.index("<table") : page.index("</table>")]
    rows = devices.count("<tr id=")
    assert rows * len(re.findall("<th[ >]", devices)) == len(re.findall("<td[ >]", devices)), "each cell has its head"
    (view,) = (each for each in shared_base.json("api/devices") if each["device"] == device.name)
    assert view["health"]["gaps"] == 2


def test_api_returns_every_event_page_by_page(base, device, make) -> None:  # noqa: ANN001
    rows = tuple(make.event(seq) for seq in range(1, 8))
    device.send(*rows)
    device.ack()
    ids, after = [], 0
    while events := base.json(f"api/events?limit=3&after={after}"):
        ids += [event["id"] for event in events]
        after = events[-1]["arrival"]
    assert ids == [str(row.id) for row in rows]


def test_stream_sends_a_new_call(base, device, make) -> None:  # noqa: ANN001
    with urllib.request.urlopen(base.url + "stream", timeout=20) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert stream.readline() == b"event: live\n"
        assert b'"parts"' in stream.readline()
        # A line feed or carriage return in a name must not end the line.
        device.send(make.event(1, scientific_name="Physalaemus cuvieri\r\n\r\nevent: forged\r\n"))
        while b"Physalaemus cuvieri" not in (line := stream.readline()):
            assert line
            assert not line.startswith(b"event: forged")


def test_responses_have_security_headers(shared_base) -> None:  # noqa: ANN001
    for path in ("", "static/live.js", "api/events"):
        with urllib.request.urlopen(shared_base.url + path) as answer:
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_server_stops_with_an_open_stream(base) -> None:  # noqa: ANN001
    with urllib.request.urlopen(base.url + "stream", timeout=20) as stream:
        stream.readline()
        assert base.stop() == 0


def test_database_that_refuses_writes_is_unhealthy(base, device, make, tmp_path) -> None:  # noqa: ANN001
    blocker = sqlite3.connect(tmp_path / "base.db", isolation_level=None)
    blocker.execute("DROP TABLE received")
    device.send(make.event(1))
    eventually(lambda: base.health() == {"subscriber": True, "database": False})
    blocker.execute(
        "CREATE TABLE received (site TEXT, device TEXT, journal CHAR(32), first BIGINT, last BIGINT,"
        " PRIMARY KEY (site, device, journal, first))"
    )
    blocker.close()
    device.send(make.event(1))
    assert device.ack() == 1
    eventually(lambda: base.health() == {"subscriber": True, "database": True})


def test_rows_for_a_removed_database_are_not_acknowledged(base, device, make, tmp_path: Path) -> None:  # noqa: ANN001
    device.send(make.event(1))
    assert device.ack() == 1
    for file in tmp_path.glob("base.db*"):
        file.unlink()
    device.send(make.event(2))
    eventually(lambda: base.health() == {"subscriber": True, "database": False})
    assert device.acks.empty()


def test_second_base_station_on_a_broker_is_told_and_takes_no_messages_away(
    base: Any,
    device: Any,
    make: Any,
    launch: Any,
    broker: Broker,
    tmp_path: Path,
) -> None:
    (tmp_path / "second").mkdir()
    config = tmp_path / "second" / "base.yaml"
    config.write_text(f"state_dir: {config.parent}\nmqtt:\n  port: {broker.port}\nweb:\n  port: 0\n")
    second = launch(config)
    eventually(second.connected)
    device.send(make.event(1))
    assert device.acks.get(timeout=DEADLINE_S).base != device.acks.get(timeout=DEADLINE_S).base
    for each in (base, second):
        eventually(lambda each=each: [told["what"] for told in each.json("api/incidents")] == ["second_base"])
        assert "another base station" in each.get("network")
        assert len(each.json("api/events")) == 1


def test_database_that_is_put_back_is_used_again(base, device, make, tmp_path: Path) -> None:  # noqa: ANN001
    device.send(make.event(1))
    assert device.ack() == 1
    (tmp_path / "aside").mkdir()
    for file in tmp_path.glob("base.db*"):
        file.rename(tmp_path / "aside" / file.name)
    eventually(lambda: base.health() == {"subscriber": True, "database": False})
    assert not (tmp_path / "base.db").exists()  # no empty database in its place
    for file in (tmp_path / "aside").iterdir():
        file.rename(tmp_path / file.name)
    device.send(make.event(2))
    assert device.ack() == 2
    eventually(lambda: base.health() == {"subscriber": True, "database": True})
    assert len(base.json("api/events")) == 2


def test_replaced_database_ends_the_base_station_with_the_reason(
    start_base: Any, device: Any, make: Any, tmp_path: Path
) -> None:
    """A service manager starts it again, and it opens the new file as at every start."""
    base = start_base(stderr=subprocess.PIPE)
    eventually(base.connected)
    device.send(make.event(1))
    assert device.ack() == 1
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"base.db{suffix}").unlink()
    (tmp_path / "other.db").write_bytes(b"")
    (tmp_path / "other.db").rename(tmp_path / "base.db")
    _, errors = base.process.communicate(timeout=DEADLINE_S)
    assert base.process.returncode == ExitCode.JOURNAL
    assert "was replaced" in errors


def test_browser_shows_each_new_call(base, device, make, open_page) -> None:  # noqa: ANN001
    page = open_page(base.url)
    eventually(lambda: page.evaluate("document.getElementById('link').textContent") == "Live.")
    assert "No call has been received yet" in page.evaluate("document.body.textContent")
    device.send(make.event(1, recording_name="<img src=x onerror=\"document.title='taken'\">"))
    eventually(lambda: page.evaluate("document.querySelector('td em')?.textContent") == "Physalaemus cuvieri")
    assert page.evaluate("document.title") == "anura: now"
    assert page.evaluate("getComputedStyle(document.querySelector('td em')).fontStyle") == "italic"
    assert page.complaints == []


def test_phone_page_does_not_scroll_sideways(shared_base, new_device, make, open_page) -> None:  # noqa: ANN001
    device = new_device("phone")
    device.send(make.event(1, recording_name="x" * 500))
    device.ack()
    page = open_page(shared_base.url)
    page.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True)
    eventually(lambda: page.evaluate("document.getElementById('link').textContent") == "Live.")
    assert page.evaluate("document.querySelectorAll('td').length") > 0
    widths = "[...document.querySelectorAll('*')].map((part) => part.scrollWidth)"
    assert page.evaluate(f"Math.max(...{widths})") <= 360


def test_page_is_complete_without_scripts(shared_base, new_device, make) -> None:  # noqa: ANN001
    device = new_device("scripts")
    device.send(make.event(1))
    device.ack()
    assert "<em>Physalaemus cuvieri</em>" in shared_base.get("")
    assert "Reload to update." in shared_base.get("")
