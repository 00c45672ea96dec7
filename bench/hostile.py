"""A hostile client against a real base station: `.venv/bin/python bench/hostile.py --minutes 60`.

Strangers send MQTT payloads of every kind and HTTP requests with broken heads and large bodies, hold silent connections
open, and stop reading exports. Meanwhile a real device delivers rows and an honest visitor reads pages. At the end the
bench prints answers, memory and rows. The exit code is 1 if the base station ended, answered with 5xx, lost a row of
the honest device, or grew by more than a fifth after the first fifth of the time.
"""

import argparse
import http.client
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

import device_rows  # noqa: E402
from backlog_drain import event  # noqa: E402
from paho.mqtt.client import Client  # noqa: E402
from sqlalchemy import create_engine, func, insert, select  # noqa: E402
from support import Broker, free_port  # noqa: E402

from anura_base.access.accounts import add_user  # noqa: E402
from anura_base.access.roles import Role  # noqa: E402
from anura_base.access.tokens import add_token  # noqa: E402
from anura_base.db.engine import open_database  # noqa: E402
from anura_base.db.schema import dead_letters, events  # noqa: E402
from anura_edge.clips.finder import ClipFinder  # noqa: E402
from anura_edge.config.device import Config, DeviceSettings  # noqa: E402
from anura_edge.config.operation import MqttSettings  # noqa: E402
from anura_edge.delivery.clip_upload import ClipUploader  # noqa: E402
from anura_edge.delivery.worker import DeliveryWorker  # noqa: E402
from anura_edge.store.clip_index import ClipIndex  # noqa: E402
from anura_edge.store.journal import Journal  # noqa: E402
from anura_edge.wire import Kind, Status, batch, pack, topic  # noqa: E402
from anura_edge.wire.mqtt import make_client  # noqa: E402

BASE = "from anura_base.cli.main import main; main()"
STORED_ROWS = 20_000
SILENT_SOCKETS = 600
STOPPED_READERS = 6
DRAIN_S = 300.0
"""After the attack the honest device may need this long for the rows that wait."""

# The clients pause because people and devices do, and because the bench shares the cores with the base station: without
# the pauses it would measure how fast Python sends. No result depends on their lengths.
EVENTS_EVERY_S = 0.5
PAYLOADS_EVERY_S = 0.2
CONNECTIONS_EVERY_S = 1.0
VISITS_EVERY_S = 1.0

RNG = random.Random(7)
MAX_GROWTH = 1.2

PAGES = (
    "/",
    "/network",
    "/species",
    "/night",
    "/anomalies",
    "/review",
    "/alerts",
    "/metrics",
    "/api/events?limit=1000",
)
NUMBERS: list[Any] = [
    0,
    -1,
    1,
    2**31,
    2**53 - 1,
    2**53,
    2**63,
    10**30,
    1e308,
    -1e308,
    0.5,
    True,
    None,
    "",
    "x" * 600,
    [],
    {},
]
BOMBS = [pack(b" " * size) for size in (10, 1_000_001, 50_000_000)]
TIMES = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2031-01-01T00:00:00Z", "1950-01-01T00:00:00+14:00", "now"]
KINDS: tuple[Kind, ...] = ("event", "effort", "notice", "status", "health", "clip", "ack", "cmd")
PATHS = (*PAGES, "/login", "/invitation", "/logout", "/explore/hear?name=a.wav", "/static/page.css", "/stream",
         "/api/exports/birdnet", "/review/undo", "/healthz", "/%00", "/..%2f..%2fetc/passwd", "//",
         "/" + "a" * 9_000)  # fmt: skip
HEADERS = ("X-CSRF-Token: 0", "Content-Type: multipart/form-data; boundary=b", "Cookie: anura=\x7f", "Range: bytes=9-1",
           "Content-Type: application/x-www-form-urlencoded", "Transfer-Encoding: chunked", "Content-Length: 900000000",
           "Content-Length: -1", "Authorization: Bearer anura_", "X-Forwarded-Prefix: /a/../b", "Expect: 100-continue",
           "X-Forwarded-For: 1.2.3.4", "Upgrade: websocket", "Accept: text/html", "Host:",
           "A: " + "b" * 20_000)  # fmt: skip


@dataclass
class Result:
    """What happened so far. Threads share it."""

    answers: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    payloads: int = 0
    memory_mb: list[float] = field(default_factory=list)
    sent_rows: int = 0
    unacknowledged: int = 0


class HonestDevice:
    """The delivery of a real device, with a journal of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        mqtt = MqttSettings(host="127.0.0.1", port=port)
        config = Config(device=DeviceSettings(site="pond", name="honest"), mqtt=mqtt)
        self.journal = Journal(folder / "honest.db", config.device.owner)
        self.rows = 0
        index = ClipIndex(self.journal.database)
        finder = ClipFinder(index, config.clips_path, config.clips, config.audio)
        clips = ClipUploader(finder, index, config.clips, config.device, UTC)
        self._worker = DeliveryWorker(self.journal, config.device, mqtt, Status(state="online"), clips)
        self._worker.start()

    def send(self) -> None:
        """Commit five events. The worker delivers them."""
        self.journal.commit([event(self.rows + n, RNG) for n in range(5)], [], device_rows.PROVENANCE)
        self.rows += 5
        self._worker.wake()
        time.sleep(EVENTS_EVERY_S)

    def drain(self) -> int:
        """Wait for the acknowledgements that are still missing. Return the number of rows without one."""
        end_s = time.monotonic() + DRAIN_S
        while (waiting := self.journal.outbox.pending_count()) and time.monotonic() < end_s:
            time.sleep(1)
        self._worker.stop()
        return waiting


def hostile_payload(rng: random.Random) -> bytes:
    """Return random bytes, a bomb, or an honest message with wrong values."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.randbytes(rng.randrange(2_000))
    if kind == 1:
        return rng.choice(BOMBS)
    if kind == 2:
        return rng.choice([b"[", b'{"a":', b'{"rows": ['])[:9] * rng.randrange(1, 50_000)
    message = json.loads(batch(UUID(int=rng.randrange(20)), rng.randrange(9), [device_rows.event(1)]))
    if kind == 3:
        message["rows"] *= rng.randrange(1, 1_500)
    for where in (message, *message["rows"][:1]):
        if rng.random() < 0.7:
            name = rng.choice(sorted(where))
            where[name] = rng.choice(TIMES if name.endswith("utc") else NUMBERS)
    data = json.dumps(message).encode()
    return pack(data) if rng.random() < 0.3 else data


def send_hostile_payloads(client: Client, rng: random.Random, result: Result) -> None:
    """Publish some payloads under the names of invented devices."""
    for _ in range(20):
        name = topic(rng.choice(["pond", "lake"]), f"hostile-{rng.randrange(50)}", rng.choice(KINDS))
        client.publish(name, hostile_payload(rng), qos=rng.randrange(2), retain=rng.random() < 0.02)
        result.payloads += 1
    time.sleep(PAYLOADS_EVERY_S)


def send_hostile_request(port: int, rng: random.Random, result: Result) -> None:
    """Send a request with random parts, and count its status."""
    head = f"{rng.choice(['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'X', ''])} {rng.choice(PATHS)} HTTP/1.1\r\n"
    head += "".join(f"{each}\r\n" for each in ["Host: 127.0.0.1", "Connection: close", *rng.sample(HEADERS, 3)])
    data = (head + "\r\n" * rng.randrange(2)).encode() + rng.randbytes(rng.choice([0, 100, 300_000]))
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 3) as connection:
        with suppress(OSError):
            connection.sendall(data)
        answer = connection.recv(100)
        result.answers[answer[9:12].decode(errors="replace") or "closed"] += 1


class Holders:
    """Connections that are held open: silent ones, and exports whose client stops reading."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._silent: list[socket.socket] = []
        self._stopped: list[socket.socket] = []

    def renew(self) -> None:
        """Open new connections in the place of the oldest."""
        for held, limit, request in (
            (self._silent, SILENT_SOCKETS, b""),
            (self._stopped, STOPPED_READERS, f"GET /api/exports/birdnet HTTP/1.1\r\nHost: a\r\n"
             f"Authorization: Bearer {self._token}\r\n\r\n".encode()),
        ):  # fmt: skip
            for _ in range(max(limit // 20, 1)):
                with suppress(OSError):
                    connection = socket.create_connection(("127.0.0.1", self._port), 3)
                    connection.sendall(request)
                    held.append(connection)
            while len(held) > limit:
                held.pop(0).close()
        time.sleep(CONNECTIONS_EVERY_S)


def visit(port: int, token: str, result: Result) -> None:
    """Read one page as an honest visitor."""
    page = PAGES[sum(result.visits.values()) % len(PAGES)]
    begin_s = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", page, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        result.visits[str(answer.status)] += 1
    except OSError as error:
        result.visits[type(error).__name__] += 1
    finally:
        connection.close()
    result.slowest_s = max(result.slowest_s, time.monotonic() - begin_s)
    time.sleep(VISITS_EVERY_S)


def memory_mb(process: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1_024


def prepare(url: str) -> str:
    """Fill a database with a user and with rows, so that an export is long. Return a token."""
    engine, now = open_database(url), datetime.now(UTC)
    row: dict[str, Any] = {**dict(device_rows.event(1)), "site": "pond", "device": "old", "journal": uuid4()}
    row |= {"received_utc": now, "recording_name": "r" * 400}
    with engine.begin() as connection:
        add_user(connection, "maria", Role.ADMIN, "a sentence as password", now)
        token = add_token(connection, "bench", Role.VIEW, now)
        connection.execute(insert(events), [{**row, "id": uuid4(), "seq": n} for n in range(STORED_ROWS)])
    engine.dispose()
    return token


def repeat(work: Callable[[], None], stop: threading.Event) -> threading.Thread:
    """Repeat some work in a thread until `stop` is set."""

    def run() -> None:
        while not stop.is_set():
            work()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def attack(
    process: "subprocess.Popen[str]", port: int, broker: int, token: str, device: HonestDevice, minutes: float
) -> Result:
    """Attack for some minutes. Return what happened."""
    result, stop = Result(), threading.Event()
    hostile, holders = make_client("hostile"), Holders(port, token)
    hostile.connect("127.0.0.1", broker)
    hostile.loop_start()
    rngs = [random.Random(seed) for seed in range(4)]
    threads = [
        repeat(device.send, stop),
        repeat(lambda: send_hostile_payloads(hostile, rngs[0], result), stop),
        *(repeat(lambda rng=rng: send_hostile_request(port, rng, result), stop) for rng in rngs[1:]),  # type: ignore[misc]
        repeat(holders.renew, stop),
        repeat(lambda: visit(port, token, result), stop),
    ]
    end_s = time.monotonic() + 60 * minutes
    while time.monotonic() < end_s and process.poll() is None:
        result.memory_mb.append(memory_mb(process.pid))
        time.sleep(2)
    stop.set()
    for thread in threads:
        thread.join()
    result.sent_rows, result.unacknowledged = device.rows, device.drain()
    return result


def report(result: Result, process: "subprocess.Popen[str]", url: str, journal: UUID) -> bool:
    """Print what happened. Return whether the base station kept its promises."""
    engine = create_engine(url, connect_args={"timeout": 60})  # the base station may still write
    with engine.connect() as connection:
        stored = connection.scalar(select(func.count()).where(events.c.journal == journal)) or 0
        letters = connection.scalar(select(func.max(dead_letters.c.arrival))) or 0
    first = result.memory_mb[: max(len(result.memory_mb) // 5, 1)]
    before, most = max(first), max(result.memory_mb)
    failures = sum(count for status, count in (result.answers + result.visits).items() if status.startswith("5"))
    print(f"{result.payloads} hostile payloads, {letters} dead letters; answers to {result.answers.total()} hostile"
          f" requests: {dict(sorted(result.answers.items()))}")  # fmt: skip
    print(f"honest visitor: {dict(result.visits)}, slowest {result.slowest_s:.1f} s; honest device: {result.sent_rows}"
          f" rows sent, {stored} stored, {result.unacknowledged} not acknowledged")  # fmt: skip
    print(f"memory: {before:.0f} MB in the first fifth, at most {most:.0f} MB; {failures} answers 5xx;"
          f" base station {'runs' if process.poll() is None else f'ended with {process.poll()}'}")  # fmt: skip
    kept = stored == result.sent_rows and not failures and most <= MAX_GROWTH * before
    return kept and process.poll() is None and set(result.visits) == {"200"}


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="anura-hostile-") as folder, ExitStack() as stack:
        broker = Broker(Path(folder), free_port())
        broker.start()
        stack.callback(broker.stop)
        url, port = f"sqlite:///{folder}/base.db", free_port()
        token = prepare(url)
        options = ["--database", url, "--mqtt", f"127.0.0.1:{broker.port}", "--web", f"127.0.0.1:{port}"]
        log = stack.enter_context((Path(folder) / "log").open("w"))
        command = [sys.executable, "-c", BASE, "run", *options]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True))
        stack.callback(process.terminate)
        assert process.stdout
        print(process.stdout.readline(), end="", flush=True)
        device = HonestDevice(Path(folder), broker.port)
        stack.callback(device.journal.close)
        result = attack(process, port, broker.port, token, device, minutes)
        kept = report(result, process, url, device.journal.id)
        print((Path(folder) / "log").read_text()[-3_000:])
    sys.exit(not kept)


if __name__ == "__main__":
    main()
