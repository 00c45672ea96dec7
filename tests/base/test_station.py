import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from anura_edge.wire import MAX_PAYLOAD_BYTES, Status

# A base station whose life ends between the commit and the acknowledgement.
DIES_BEFORE_ACK = """
import os, signal
from anura_base.cli import main
from anura_base.subscriber import Subscriber
Subscriber.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
main()
"""


def stored_ids(folder: Path) -> int:
    with sqlite3.connect(folder / "base.db") as connection:
        (count,) = connection.execute("SELECT count(*) FROM events").fetchone()
    connection.close()
    return count


def test_a_batch_is_stored_and_acknowledged_every_time_it_comes(base, device, make) -> None:  # noqa: ANN001
    rows = make.event(1), make.event(2)
    device.send(*rows)
    assert device.ack() == 2
    device.send(*rows)
    assert device.ack() == 2
    device.send(make.effort(3))
    assert device.ack() == 3
    assert base.json("api/events/ids") == [str(row.id) for row in rows]


def test_killed_between_commit_and_acknowledgement(start_base, device, make, tmp_path: Path) -> None:  # noqa: ANN001
    doomed = start_base([sys.executable, "-c", DIES_BEFORE_ACK])
    rows = tuple(make.event(seq) for seq in range(1, 51))
    device.send(*rows)
    doomed.process.wait(20)
    assert doomed.process.returncode == -signal.SIGKILL
    assert (stored_ids(tmp_path), device.acks.qsize()) == (50, 0)

    base = start_base()
    device.send(*rows)
    assert device.ack() == 50
    assert base.json("api/events/ids") == [str(row.id) for row in rows]


def test_what_came_while_it_was_away_is_waiting_at_the_broker(start_base, device, make, eventually) -> None:  # noqa: ANN001
    first = start_base()
    eventually(first.connected)
    assert first.stop() == 0
    device.send(make.event(1))
    start_base()
    assert device.ack() == 1


def test_it_outlives_its_broker(base, broker, device, make, eventually) -> None:  # noqa: ANN001
    broker.stop()
    eventually(lambda: not base.connected())
    assert base.json("api/devices") == []
    broker.start()
    eventually(base.connected)
    device.send(make.event(1))
    assert device.ack() == 1


def test_a_broker_that_is_not_there_at_the_start_is_waited_for(start_base, broker, eventually) -> None:  # noqa: ANN001
    broker.stop()
    base = start_base()
    assert not base.connected()
    broker.start()
    eventually(base.connected)


def test_hostile_messages_do_not_stop_it(base, device, make, eventually) -> None:  # noqa: ANN001
    device.send_raw("event", b"{")
    device.send_raw("event", b" " * (MAX_PAYLOAD_BYTES + 1))
    device.send_raw("effort", b" " * (3 * MAX_PAYLOAD_BYTES))  # the broker does not pass this on
    device.send_raw("status", b"\0" * 100)
    device.send(make.event(1))
    assert device.ack() == 1
    assert "Messages refused</dt><dd>3<" in base.get("")


def test_what_a_device_says_is_escaped(base, device, make) -> None:  # noqa: ANN001
    device.send(make.event(1, recording_name="<script>alert(1)</script>", label="'\"><img src=x>"))
    device.ack()
    page = base.get("")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_shows_calls_devices_and_effort(base, device, make) -> None:  # noqa: ANN001
    device.send_raw("status", Status(state="online", model_id="anuraset-student").to_bytes(), retain=True)
    device.send(make.event(5, clock_source="unknown"), floor=3)
    device.send(make.effort(3, hours=11.5), make.effort(4, make.state.DROPPED, 0.25), floor=3)
    assert [device.ack(), device.ack()] == [2, 5]
    page = " ".join(base.get("").split())
    for text in (
        "<em>Physalaemus cuvieri</em>", "PHYCUV", "2026-11-20 19:30:50", "2.0 s", "0.93", "-32 dBFS",
        "INCT04 / swamp-1", "SITE_20261120_193000.wav", '"clock unknown"', '"state online"', "11.50 h", "0.25 h",
        "Rows missing</dt><dd>2<",
    ):  # fmt: skip
        assert text in page
    (view,) = base.json("api/devices")
    assert view["effort_h"] == {"analysed": 11.5, "dropped": 0.25, "unreadable": 0.0}
    assert (view["state"], view["events"], view["missing"]) == ("online", 1, 2)


def test_a_reader_of_the_api_misses_nothing(base, device, make) -> None:  # noqa: ANN001
    rows = tuple(make.event(seq) for seq in range(1, 8))
    device.send(*rows)
    device.ack()
    ids, after = [], 0
    while events := base.json(f"api/events?limit=3&after={after}"):
        ids += [event["id"] for event in events]
        after = events[-1]["arrival"]
    assert ids == [str(row.id) for row in rows]


def test_the_stream_brings_a_new_call(base, device, make) -> None:  # noqa: ANN001
    with urllib.request.urlopen(base.url + "stream", timeout=20) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert stream.readline() == b"event: live\n"
        assert b"No call has come yet" in stream.readline()
        # A line feed or carriage return in a name must not end the line.
        device.send(make.event(1, recording_name="a\r\n\r\nevent: forged\r\n"))
        while b"Physalaemus cuvieri" not in (line := stream.readline()):
            assert line
            assert not line.startswith(b"event: forged")


def test_every_answer_forbids_what_the_page_does_not_need(base) -> None:  # noqa: ANN001
    for path in ("", "static/live.js", "api/events"):
        with urllib.request.urlopen(base.url + path) as answer:
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_it_stops_cleanly_with_a_reader_on_the_stream(base) -> None:  # noqa: ANN001
    with urllib.request.urlopen(base.url + "stream", timeout=20) as stream:
        stream.readline()
        assert base.stop() == 0


def test_a_database_that_takes_no_writes_is_not_healthy(base, device, make, tmp_path, eventually) -> None:  # noqa: ANN001
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


@pytest.fixture
def browse(tmp_path: Path) -> Callable[[str], tuple[str, str]]:
    """Open a page in a browser; return its document once its scripts have run, and what its console said."""
    if not (chromium := shutil.which("chromium")):
        pytest.skip("chromium is not installed")

    def open_page(url: str) -> tuple[str, str]:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        options += [f"--user-data-dir={tmp_path / 'browser'}", "--enable-logging=stderr", "--timeout=3000"]
        done = subprocess.run(
            [chromium, *options, "--dump-dom", url],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)

    return open_page


def test_a_browser_shows_the_page_live_and_runs_nothing_that_came_in_a_name(base, device, make, browse) -> None:  # noqa: ANN001
    device.send(make.event(1, recording_name="<img src=x onerror=\"document.title='taken'\">"))
    device.ack()
    document, console = browse(base.url)
    assert '<span id="link" role="status" class="live">Live.</span>' in document
    assert "<em>Physalaemus cuvieri</em>" in document
    assert "<title>anura: calls heard</title>" in document
    assert console == ""
