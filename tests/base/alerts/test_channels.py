"""Alerts reach a real broker, a real web server and a real mail server, and failures are reported."""

import base64
import email
import hashlib
import hmac
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from support import eventually, free_port, need

from anura_base.alerts.alert_message import AlertMessage
from anura_base.alerts.channels import Channel, open_channels
from anura_base.config.alerts import AlertSettings
from anura_base.config.settings import MqttSettings
from anura_base.ingest.ingest_queue import IngestQueue
from anura_base.ingest.subscriber import Subscriber
from anura_edge.errors import ConfigError, DeliveryError
from anura_edge.wire.mqtt import make_client

# aiosmtpd does not count TLS from the first byte as TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")

ALERT = AlertMessage(
    id="alert-7-20261120T230000Z",
    rule="first",
    subject="pond/Physalaemus cuvieri",
    site="pond",
    device="one",
    moment_utc=datetime(2026, 11, 20, 22, 59, tzinfo=UTC),
    fired_utc=datetime(2026, 11, 20, 23, tzinfo=UTC),
    text="Physalaemus cuvieri calls at pond, ção",
)
KEY = b"0123456789abcdef0123456789abcdef"


def channels(alerts: dict[str, Any], publish: Callable[[str, bytes, float], None] | None = None) -> dict[str, Channel]:
    return dict(open_channels(AlertSettings.model_validate(alerts), publish or (lambda *_: None)))


class Receiver(ThreadingHTTPServer):
    """A web server that records requests and sends a configurable response."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer: tuple[int, dict[str, str]] = (204, {})
        self.hang = threading.Event()
        self.hang.set()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.server.hang.wait(60)
        status, headers = self.server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.hang.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def webhook(receiver: Receiver, tmp_path: Path) -> Channel:
    secret = tmp_path / "secret"
    secret.write_text(f"whsec_{base64.b64encode(KEY).decode()}\n")
    settings = {"url": receiver.url, "secret_file": str(secret), "timeout_s": 1}
    return channels({"webhooks": {"team": settings}})["team"]


def test_webhook_receives_a_signed_alert(webhook: Channel, receiver: Receiver) -> None:
    webhook(ALERT)
    ((headers, body),) = receiver.got
    assert json.loads(body) == {
        "schema": "anura-alert/1",
        "id": "alert-7-20261120T230000Z",
        "rule": "first",
        "subject": "pond/Physalaemus cuvieri",
        "site": "pond",
        "device": "one",
        "moment_utc": "2026-11-20T22:59:00Z",
        "fired_utc": "2026-11-20T23:00:00Z",
        "text": "Physalaemus cuvieri calls at pond, ção",
    }
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-id"] == ALERT.id
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    version, _, mac = headers["webhook-signature"].partition(",")
    assert version == "v1"
    assert hmac.compare_digest(base64.b64decode(mac), hmac.new(KEY, signed, hashlib.sha256).digest())


@pytest.mark.parametrize("status", [301, 307, 400, 500, 503])
def test_webhook_status_other_than_2xx_is_an_error(webhook: Channel, receiver: Receiver, status: int) -> None:
    receiver.answer = (status, {"Location": receiver.url})
    with pytest.raises(DeliveryError, match=f"status {status}"):
        webhook(ALERT)
    assert len(receiver.got) == 1, "a redirect is not followed"


def test_hanging_web_server_is_left_after_the_timeout(webhook: Channel, receiver: Receiver) -> None:
    receiver.hang.clear()
    with pytest.raises(DeliveryError, match="Timeout"):
        webhook(ALERT)


def test_unreachable_web_server_is_an_error(webhook: Channel, receiver: Receiver) -> None:
    receiver.server_close()
    with pytest.raises(DeliveryError):
        webhook(ALERT)


@pytest.mark.parametrize("text", ["", "secret\n", "whsec_short\n", "whsec_c2hvcnQ=\n", "whsec_!!!\n"])
def test_invalid_webhook_secret_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret").write_text(text)
    settings = {"url": "https://chat.example/", "secret_file": str(tmp_path / "secret")}
    with pytest.raises(ConfigError, match=r"alerts\.webhooks\.team\.secret_file"):
        channels({"webhooks": {"team": settings}})


class Mailbox:
    """The e-mails that a mail server received."""

    def __init__(self) -> None:
        self.got: list[Envelope] = []
        self.answer = "250 OK"

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802
        self.got.append(envelope)
        return self.answer


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate, and the TLS context of the server."""
    crt, key = tmp_path / "mail.crt", tmp_path / "mail.key"
    options = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    command = [need("openssl"), "req", *options.split(), "-keyout", str(key), "-out", str(crt)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    return crt, context


@pytest.fixture(params=["starttls", "tls"])
def mail(request: pytest.FixtureRequest, tmp_path: Path, certificate: tuple[Path, ssl.SSLContext]) -> Iterator[Any]:
    """A mail server that requires TLS and a password, and the settings of the channel."""
    ca_file, context = certificate
    mailbox = Mailbox()

    def check(_server: object, _session: object, _envelope: object, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"anura", b"a password"), handled=False)

    security: dict[str, Any] = (
        {"tls_context": context, "require_starttls": True, "auth_require_tls": True}
        if request.param == "starttls"
        else {"ssl_context": context, "auth_require_tls": False}
    )
    server = Controller(mailbox, "localhost", free_port(), authenticator=check, auth_required=True, **security)
    server.start()
    (tmp_path / "password").write_text("a password\n")
    settings = {
        "host": "localhost",
        "port": server.port,
        "security": request.param,
        "ca_file": str(ca_file),
        "username": "anura",
        "password_file": str(tmp_path / "password"),
        "sender": "anura@pond.example",
        "recipients": ["maria@pond.example", "jose@pond.example"],
    }
    yield settings, mailbox
    server.stop()


def test_mail_server_receives_the_alert_encrypted(mail: Any) -> None:
    settings, mailbox = mail
    channels({"mail": settings})["mail"](ALERT)
    (envelope,) = mailbox.got
    assert envelope.rcpt_tos == ["maria@pond.example", "jose@pond.example"]
    received = email.message_from_bytes(envelope.content, policy=default)
    assert received["Subject"] == "anura: Physalaemus cuvieri calls at pond, ção"
    assert received["Message-ID"] == "<alert-7-20261120T230000Z@pond.example>"
    assert "When: 2026-11-20 22:59:00 UTC" in received.get_content()


def test_refusal_of_the_mail_server_is_an_error(mail: Any) -> None:
    settings, mailbox = mail
    mailbox.answer = "451 later"
    with pytest.raises(DeliveryError, match="451"):
        channels({"mail": settings})["mail"](ALERT)
    Path(settings["password_file"]).write_text("wrong\n")
    with pytest.raises(DeliveryError, match="Authentication"):
        channels({"mail": settings})["mail"](ALERT)


def test_mail_server_with_unknown_certificate_gets_no_password(mail: Any) -> None:
    settings, mailbox = mail
    with pytest.raises(DeliveryError, match="certificate"):
        channels({"mail": {**settings, "ca_file": None}})["mail"](ALERT)
    assert mailbox.got == []


def test_broker_receives_the_alert_without_retaining_it(broker) -> None:  # noqa: ANN001
    got = []
    listener = make_client()
    listener.on_message = lambda _client, _data, message: got.append(message)
    subscribed = threading.Event()
    listener.on_subscribe = lambda *_: subscribed.set()
    listener.connect("127.0.0.1", broker.port)
    listener.subscribe("anura/v1/alerts/#", 1)
    listener.loop_start()
    subscriber = Subscriber(MqttSettings(port=broker.port), IngestQueue())
    channel = channels({"mqtt": True}, subscriber.publish_and_wait)["mqtt"]
    with pytest.raises(DeliveryError, match="no connection"):
        channel(ALERT)
    subscriber.start()
    eventually(lambda: subscriber.connected and subscribed.is_set())
    channel(ALERT)
    message = eventually(lambda: got and got[0])
    assert (message.topic, message.retain) == ("anura/v1/alerts/first", False)
    assert json.loads(message.payload)["id"] == ALERT.id
    broker.stop()
    eventually(lambda: not subscriber.connected)
    with pytest.raises(DeliveryError):
        channel(ALERT)
    for client in (listener, subscriber._client):
        client.disconnect()
        client.loop_stop()
