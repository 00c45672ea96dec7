"""The broker's configuration in deploy/base at a real mosquitto: what a device can do, and what it cannot."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml
from broker_folder import DEPLOY, SecuredBroker, secured_broker, start_base
from support import DEADLINE_S
from typer.testing import CliRunner

from anura_base.broker import certificates
from anura_base.broker.certificates import Certificate
from anura_base.broker.folder import BrokerFolder
from anura_base.cli.main import app as base_app
from anura_base.ingest.messages import DeviceKey
from anura_edge.cli.main import app as edge_app
from anura_edge.config.operation import MqttSettings
from anura_edge.delivery.connection import MqttConnection
from anura_edge.delivery.events import PubackReceived
from anura_edge.demo.card import write_card
from anura_edge.errors import DeliveryError
from anura_edge.wire import MAX_PAYLOAD_BYTES, topic

DEVICE_KINDS = ("event", "effort", "notice", "status", "health", "clip", "update")
BASE_KINDS = ("ack", "cmd")
SCAN = """
from anura_edge.app import device
from anura_edge.cli.main import main
device.DELIVERY_TIMEOUT_S = 30.0
main()
"""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    with secured_broker(tmp_path_factory.mktemp("secured")) as broker:
        yield broker


@contextmanager
def connected(mqtt: MqttSettings, ack_topic: str = "anura/v1/pond/one/ack") -> Iterator[MqttConnection]:
    """Connect as a device does. Raises DeliveryError or OSError if the broker refuses."""
    connection = MqttConnection(
        mqtt, mqtt.password(), mqtt.username or "", will=("anura/v1/pond/one/status", b"{}"), ack_topic=ack_topic
    )
    with closing(connection):
        connection.open()
        yield connection


def answer(connection: MqttConnection, name: str, payload: bytes = b"{}") -> str:
    """Publish a message, and return the reason in the broker's answer."""
    number = connection.publish(name, payload)
    while event := connection.next_event(DEADLINE_S):
        if isinstance(event, PubackReceived) and event.mid == number:
            return event.reason
    raise AssertionError("the broker does not answer")


def is_refused(mqtt: MqttSettings) -> bool:
    """Return whether a device with these settings gets no connection."""
    try:
        with connected(mqtt):
            return False
    except (DeliveryError, OSError):
        return True


@pytest.mark.parametrize("with_certificate", [False, True], ids=["password", "certificate"])
def test_device_writes_its_own_topics_and_nothing_else(secured: SecuredBroker, with_certificate: bool) -> None:
    mqtt = secured.join("pond", "one", with_certificate=with_certificate)
    secured.restart()
    with connected(mqtt) as connection:
        for kind in DEVICE_KINDS:
            assert "Not authorized" not in answer(connection, f"anura/v1/pond/one/{kind}")
            assert answer(connection, f"anura/v1/pond/two/{kind}") == "Not authorized"
            assert answer(connection, f"anura/v1/lake/one/{kind}") == "Not authorized"
        for name in ("anura/v1/alerts/rule", "homeassistant/sensor/x/config", "$SYS/broker/x"):
            assert answer(connection, name) == "Not authorized"


def test_broker_takes_the_largest_message(secured: SecuredBroker) -> None:
    mqtt = secured.join("pond", "one")
    secured.restart()
    name = "anura/v1/pond/one/event"
    connection = MqttConnection(mqtt, mqtt.password(), mqtt.username or "", will=(name, b"{}"), ack_topic=name)
    with closing(connection):
        assert connection.open().max_packet_bytes == 2_100_000
        assert answer(connection, name, bytes(MAX_PAYLOAD_BYTES)) != "Not authorized"


def test_broker_keeps_a_limited_number_of_bytes_for_each_client() -> None:
    """Ten clients that are away take less than 1 GB of memory, and each message has its place."""
    lines = [line.split() for line in (DEPLOY / "base" / "mosquitto.conf").read_text(encoding="utf-8").splitlines()]
    limits = {name: int(value) for name, value in (line for line in lines if len(line) == 2) if value.isdecimal()}
    assert 2 * MAX_PAYLOAD_BYTES < limits["max_packet_size"] < limits["max_queued_bytes"] / 10 <= 10_000_000
    assert limits["max_queued_messages"] <= 10_000
    assert lines.count(["max_connections", "2000"]) == len([line for line in lines if line[:1] == ["listener"]])


@pytest.mark.parametrize("kind", BASE_KINDS)
def test_device_cannot_write_as_the_base_station(secured: SecuredBroker, kind: str) -> None:
    mqtt = secured.join("pond", "one")
    secured.restart()
    with connected(mqtt) as connection:
        for owner in ("pond/one", "pond/two", "lake/one"):
            assert answer(connection, f"anura/v1/{owner}/{kind}") == "Not authorized"
    with connected(secured.base) as connection:
        assert "Not authorized" not in answer(connection, f"anura/v1/pond/one/{kind}")
        assert answer(connection, "anura/v1/pond/one/event") == "Not authorized"


def test_device_cannot_read_messages_of_others(secured: SecuredBroker) -> None:
    mqtt = secured.join("pond", "one")
    secured.restart()
    received = []
    with connected(mqtt) as spy, connected(secured.base) as base:
        spy._client.on_message = lambda _client, _data, message: received.append(message.topic)
        spy.subscribe("anura/v1/#")
        answer(base, topic("lake", "two", "ack"))
        answer(base, topic("pond", "one", "ack"))
        answer(spy, topic("pond", "one", "event"))  # messages to one client arrive in order
    assert set(received) <= {topic("pond", "one", "ack")}


def test_wrong_password_is_refused(secured: SecuredBroker) -> None:
    mqtt = secured.join("pond", "three")
    secured.restart()
    assert not is_refused(mqtt)
    wrong = secured.folder / "wrong"
    wrong.write_text("secret\n")
    assert is_refused(mqtt.model_copy(update={"password_file": wrong}))
    assert is_refused(mqtt.model_copy(update={"username": "pond/four"}))
    assert is_refused(mqtt.model_copy(update={"username": None, "password_file": None}))


def test_password_needs_tls(secured: SecuredBroker) -> None:
    mqtt = secured.join("pond", "three")
    secured.restart()
    assert is_refused(mqtt.model_copy(update={"ca_file": None}))


@pytest.mark.parametrize("what", ["none", "expired", "of another authority", "of the broker"])
def test_certificate_is_refused(secured: SecuredBroker, tmp_path: Path, what: str) -> None:
    mqtt = secured.join("pond", "two", with_certificate=True)
    secured.restart()
    assert not is_refused(mqtt)
    path = secured.credentials.path
    own = Certificate((path / "ca.crt").read_text(), (path / "ca.key").read_text())
    made = {
        "none": lambda: None,
        "expired": lambda: certificates.issue_for_client(own, "pond/two", days=-1),
        "of another authority": lambda: certificates.issue_for_client(certificates.make_authority("x"), "pond/two"),
        "of the broker": lambda: Certificate((path / "broker.crt").read_text(), (path / "broker.key").read_text()),
    }[what]()
    files: dict[str, Path | None] = {"cert_file": None, "key_file": None}
    if made:
        files = {"cert_file": tmp_path / "crt", "key_file": tmp_path / "key"}
        (tmp_path / "crt").write_text(made.certificate)
        (tmp_path / "key").write_text(made.private_key)
    assert is_refused(mqtt.model_copy(update=files))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves the socket to Python
def test_expired_broker_is_refused_by_the_device(tmp_path: Path) -> None:
    path = tmp_path / "broker"
    BrokerFolder(path).create("localhost")
    own = Certificate((path / "ca.crt").read_text(), (path / "ca.key").read_text())
    expired = certificates.issue_for_broker(own, "localhost", days=-1)
    (path / "broker.crt").write_text(expired.certificate)
    (path / "broker.key").write_text(expired.private_key)
    with secured_broker(tmp_path) as secured:
        assert is_refused(secured.join("pond", "one"))


@pytest.mark.parametrize("with_certificate", [False, True], ids=["password", "certificate"])
def test_revoked_device_is_refused(secured: SecuredBroker, with_certificate: bool) -> None:
    mqtt = secured.join("lake", "lost", with_certificate=with_certificate)
    secured.restart()
    assert not is_refused(mqtt)
    assert secured.credentials.revoke(DeviceKey("lake", "lost"))
    secured.restart()
    assert is_refused(mqtt)


def test_new_credentials_replace_the_former_ones(secured: SecuredBroker) -> None:
    former = secured.join("lake", "again", with_certificate=True)
    kept = former.model_copy(update={"cert_file": secured.folder / "old.crt", "key_file": secured.folder / "old.key"})
    assert former.cert_file
    assert former.key_file
    shutil.copy(former.cert_file, secured.folder / "old.crt")
    shutil.copy(former.key_file, secured.folder / "old.key")
    new = secured.join("lake", "again", with_certificate=True)
    secured.restart()
    assert is_refused(kept)
    assert not is_refused(new)


def run(app: object, *arguments: object) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments])  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output
    return result.output


def test_provisioned_device_delivers_over_tls_by_the_documented_commands(
    secured: SecuredBroker, tmp_path: Path
) -> None:
    text = (DEPLOY / "base" / "anura-base.yaml").read_text(encoding="utf-8")
    settings = yaml.safe_load(text.replace("/etc/anura/broker", str(secured.credentials.path)))
    settings |= {"state_dir": str(tmp_path), "web": {"port": 0}}
    settings["mqtt"]["port"] = secured.broker.port
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(settings))
    made = ["--folder", secured.credentials.path, "--config", tmp_path / "base.yaml", "--out", tmp_path / "join"]
    printed = run(base_app, "provision", "pond/first", *made)
    password = secured_password(tmp_path / "join")
    assert (tmp_path / "join").stat().st_mode & 0o777 == 0o600
    content = (tmp_path / "join").read_text().replace('"port": 8883', f'"port": {secured.broker.port}')
    (tmp_path / "join").write_text(content)
    printed += run(edge_app, "join", tmp_path / "join", "--config", tmp_path / "anura.yaml")
    assert password not in printed
    assert password not in (tmp_path / "anura.yaml").read_text()
    assert [file.name for file in (tmp_path / "credentials").iterdir() if file.stat().st_mode & 0o077] == []
    secured.restart()
    base = start_base(tmp_path / "base.yaml")
    try:
        card = write_card(tmp_path)
        for recording in sorted(card.iterdir())[1:]:  # one recording is enough
            recording.unlink()
        command = [sys.executable, "-c", SCAN, "run", "--config", tmp_path / "anura.yaml", "--source", f"folder:{card}"]
        environment = {**os.environ, "ANURA__STATE_DIR": str(tmp_path / "device")}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    finally:
        base.terminate()
        base.wait(DEADLINE_S)
        assert base.stdout
        base.stdout.close()
    assert "no rows wait" in done.stdout, done.stdout + done.stderr
    assert password not in done.stdout + done.stderr


def secured_password(join: Path) -> str:
    return str(yaml.safe_load(join.read_text())["password"])


def test_wrong_join_file_is_refused_without_its_content(tmp_path: Path) -> None:
    (tmp_path / "join").write_text('{"schema": "anura-join/1", "site": "pond", "password": "hunter2"}')
    result = CliRunner().invoke(edge_app, ["join", str(tmp_path / "join"), "--config", str(tmp_path / "anura.yaml")])
    assert "is not a join file" in str(result.exception)
    assert "hunter2" not in f"{result.output}{result.exception}{result.exception.__cause__!r}"  # type: ignore[union-attr]
    assert not (tmp_path / "anura.yaml").exists()
