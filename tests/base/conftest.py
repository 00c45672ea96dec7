"""Fixtures with real parts: a broker, a base station in its own process, an MQTT device, databases."""

import json
import re
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import device_rows
import pytest
from cheap_passwords import HASH
from paho.mqtt.client import Client, MQTTMessage
from sqlalchemy import Engine, Table, create_engine, func, insert, inspect, select, text
from support import DEADLINE_S, Broker, PostgreSql, eventually, free_port

from anura_base.access.roles import Role
from anura_base.access.tables import users
from anura_base.analysis.devices import DeviceView, device_views
from anura_base.db.engine import open_database
from anura_base.db.schema import dead_letters, incidents
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.events import EffortState
from anura_edge.wire import (
    Ack,
    Health,
    Kind,
    Row,
    Status,
    batch,
    digest,
    parse_answer,
    topic,
)
from anura_edge.wire.mqtt import make_client

BASE_COMMAND = [sys.executable, "-c", "from anura_base.cli.main import main; main()"]

RECEIVED = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


@dataclass
class Device:
    """A device that speaks MQTT."""

    port: int
    site: str = "INCT04"
    name: str = "swamp-1"
    journal: UUID = field(default_factory=uuid4)
    acks: Queue[Ack] = field(default_factory=Queue)

    def __post_init__(self) -> None:
        self._client = make_client(self.name)
        self._client.on_connect = lambda client, *_: client.subscribe(topic(self.site, self.name, "ack"), 1)
        self._client.on_message = self._on_message
        self._subscribed = False
        self._client.on_subscribe = lambda *_: setattr(self, "_subscribed", True)
        self._client.on_disconnect = lambda *_: setattr(self, "_subscribed", False)
        self._client.connect("127.0.0.1", self.port)
        self._client.loop_start()
        eventually(lambda: self._subscribed)

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        if isinstance(answer := parse_answer(message.payload), Ack):
            self.acks.put(answer)

    def send(self, *rows: Row, floor: int = 1) -> None:
        """Publish rows of one kind in one batch."""
        assert eventually(lambda: self._subscribed)
        self.send_raw(rows[0].kind, batch(self.journal, floor, rows))

    def send_raw(self, kind: Kind, payload: bytes, *, retain: bool = False) -> None:
        info = self._client.publish(topic(self.site, self.name, kind), payload, qos=1, retain=retain)
        info.wait_for_publish(DEADLINE_S)

    def ack(self) -> int:
        """Wait for the next acknowledgement, and return its number."""
        ack = self.acks.get(timeout=DEADLINE_S)
        assert ack.journal == self.journal
        return ack.seq

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@dataclass
class Base:
    """A base station in its own process."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=DEADLINE_S) as answer:
            return answer.read().decode()

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.url + path, timeout=DEADLINE_S) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def health(self) -> dict[str, bool]:
        try:
            return self.json("healthz")
        except urllib.error.HTTPError as error:
            with error:
                return json.loads(error.read())

    def connected(self) -> bool:
        return self.health()["subscriber"]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    port = free_port()
    server = PostgreSql(Path(tempfile.gettempdir()) / f"anura-base-postgresql-{port}", port)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database: SQLite, unless the test is parametrised with `postgresql`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'base.db'}"
        return
    url = request.getfixturevalue("postgresql").url
    yield url
    engine = create_engine(url)
    _empty(engine)
    engine.dispose()


def _empty(engine: Engine) -> None:
    """Delete all rows and restart the numbers. New tables would take ten times as long."""
    tables = inspect(engine).get_table_names()
    if tables:
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE"))


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An open database without rows. A test with it runs on both kinds, where the SQL dialect matters."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'base.db'}" if sqlite else request.getfixturevalue("postgresql").url
    engine = open_database(url)
    yield engine
    if not sqlite:
        _empty(engine)
    engine.dispose()


@pytest.fixture
def start_base(tmp_path: Path, broker: Broker, database_url: str) -> Iterator[Callable[..., Base]]:
    """Start a base station with this test's broker and database. It may be called again."""
    started: list[subprocess.Popen[str]] = []

    def start(command: list[str] = BASE_COMMAND, **how: Any) -> Base:
        options = ["--database", database_url, "--mqtt", f"127.0.0.1:{broker.port}"]
        process = subprocess.Popen(
            [*command, "run", *options, "--web", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True, **how
        )
        started.append(process)
        assert process.stdout
        url = re.search(r"http://\S+/", process.stdout.readline())
        assert url
        return Base(process, url[0])

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def launch() -> Iterator[Callable[[Path], Base]]:
    """Start a base station with a settings file, for all tests of a module."""
    started: list[subprocess.Popen[str]] = []

    def start(config: Path) -> Base:
        process = subprocess.Popen([*BASE_COMMAND, "run", "--config", config], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        url = re.search(r"http://\S+/", process.stdout.readline())
        assert url
        return Base(process, url[0])

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def base(start_base: Callable[..., Base]) -> Base:
    base = start_base()
    eventually(base.connected)
    return base


@pytest.fixture
def device_type() -> type[Device]:
    return Device


@pytest.fixture
def device(broker: Broker) -> Iterator[Device]:
    device = Device(broker.port)
    yield device
    device.stop()


@dataclass
class DirectSender:
    """Ingests the messages of a device without a broker, each in its own transaction."""

    engine: Engine
    device: str = "swamp-1"
    journal: UUID = field(default_factory=uuid4)

    def rows(self, *rows: Row, floor: int = 1) -> int:
        """Send rows; return the acknowledged number."""
        payload = batch(self.journal, floor, rows)
        ((name, ack),) = self.raw(topic("INCT04", self.device, rows[0].kind), payload)
        assert name == topic("INCT04", self.device, "ack")
        assert Ack.from_bytes(ack).journal == self.journal
        return Ack.from_bytes(ack).seq

    def ack(self, *rows: Row, floor: int = 1) -> tuple[int, Any]:
        """Send rows; return the fields of the acknowledgement."""
        payload = batch(self.journal, floor, rows)
        ((_, answer),) = self.raw(topic("INCT04", self.device, "event"), payload)
        ack = Ack.from_bytes(answer)
        assert ack.batches == (digest(payload),)
        return ack.seq, ack.missing

    def status(self, status: Status, *, retained: bool = False) -> None:
        assert self.raw(topic("INCT04", self.device, "status"), status.to_bytes(), retained=retained) == []

    def health(self, report: Health, **how: Any) -> None:
        assert self.raw(topic("INCT04", self.device, "health"), report.to_bytes(), **how) == []

    def raw(
        self, name: str, payload: bytes, *, retained: bool = False, received_utc: datetime = RECEIVED
    ) -> list[tuple[str, bytes]]:
        with self.engine.begin() as connection:
            return ingest(connection, [RawMessage(name, payload, retained, received_utc)])

    def view(self) -> DeviceView:
        with self.engine.connect() as connection:
            return next(view for view in device_views(connection) if view.device == self.device)

    def count(self, table: Table) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(table)) or 0

    def incidents(self) -> list[tuple[str, str]]:
        """Return what was noticed about the device, and the details."""
        with self.engine.connect() as connection:
            query = select(incidents.c.what, incidents.c.detail).where(incidents.c.device == self.device)
            return [(what, detail) for what, detail in connection.execute(query.order_by(incidents.c.number))]

    def reasons(self) -> list[str]:
        """Return the reasons of the dead letters."""
        with self.engine.connect() as connection:
            return list(connection.scalars(select(dead_letters.c.reason)))


@pytest.fixture
def new_sender(engine: Engine) -> Callable[..., DirectSender]:
    return partial(DirectSender, engine)


@pytest.fixture
def sender(engine: Engine) -> DirectSender:
    return DirectSender(engine)


@pytest.fixture
def make() -> SimpleNamespace:
    """Make rows and messages of a device: `make.event(seq)`, `make.withdrawal(seq)`, `make.health()` and so on."""
    return SimpleNamespace(
        event=device_rows.event,
        effort=device_rows.effort,
        withdrawal=device_rows.withdrawal,
        health=device_rows.health,
        state=EffortState,
    )


@pytest.fixture
def add_user(engine: Engine) -> Callable[[str, Role], None]:
    def add(name: str, role: Role) -> None:
        row = {"name": name, "role": role.value, "password_hash": HASH, "created_utc": datetime.now(UTC)}
        with engine.begin() as connection:
            connection.execute(insert(users).values(row))

    return add
