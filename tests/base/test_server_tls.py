"""Login, TLS and proxies of the base station in a process of its own."""

import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from cheap_passwords import PASSWORD, use_cheap_hashes
from support import free_port, need

from anura_base import server
from anura_base.access import accounts, tokens
from anura_base.access.roles import Role
from anura_base.config.settings import load
from anura_base.db.engine import open_database
from anura_edge.errors import ConfigError

COMMAND = [sys.executable, "-c", "from anura_base.cli.main import main; main()"]
NEEDS_USER = "anura-base user add NAME --role admin"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start a base station with these web settings. It has no broker."""
    started: list[subprocess.Popen[str]] = []

    def run(**web: object) -> "subprocess.Popen[str]":
        settings = tmp_path / "base.yaml"
        mqtt = {"port": free_port()}
        settings.write_text(yaml.safe_dump({"state_dir": str(tmp_path), "mqtt": mqtt, "web": {"port": 0, **web}}))
        command = [*COMMAND, "run", "--config", str(settings)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Callable[[dict[str, object]], str]]:
    """Start a base station in this process, which must fail, and return the error."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def start(web: dict[str, object]) -> str:
        settings = tmp_path / "base.yaml"
        settings.write_text(yaml.safe_dump({"state_dir": str(tmp_path), "web": {"port": 0, **web}}))
        with pytest.raises(ConfigError) as caught:
            server.run(load(settings, None, None, None), ready=pytest.fail)
        return str(caught.value)

    yield start
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A token. There is also a user, so that a login is possible."""
    use_cheap_hashes(monkeypatch)
    engine = open_database(f"sqlite:///{tmp_path}/anura-base.db")
    with engine.begin() as connection:
        accounts.add_user(connection, "maria", Role.ADMIN, PASSWORD, datetime.now(UTC))
        made = tokens.add_token(connection, "weekly", Role.VIEW, datetime.now(UTC))
    engine.dispose()
    return made


def address(process: "subprocess.Popen[str]") -> tuple[str, str, int]:
    assert process.stdout
    line = process.stdout.readline()
    found = re.search(r"(https?)://(\S+):(\d+)/", line)
    assert found, line
    return found[1], found[2], int(found[3])


def ask(port: int, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("web", [{"host": "0.0.0.0"}, {"trusted_proxies": ["127.0.0.1"]}, {"host": "::"}])
def test_remote_access_without_users_is_refused(refused, web) -> None:  # noqa: ANN001
    assert NEEDS_USER in refused(web)


def test_remote_access_without_tls_is_logged(start, token) -> None:  # noqa: ANN001
    process = start(host="0.0.0.0")
    _, _, port = address(process)
    assert ask(port, "/api/devices")[0] == 401
    assert ask(port, "/api/devices", Authorization=f"Bearer {token}") == (200, "[]")
    process.terminate()
    assert "unencrypted" in process.communicate(timeout=60)[1]


def test_trusted_proxy_sets_scheme_and_client(start, token) -> None:  # noqa: ANN001
    process = start(trusted_proxies=["127.0.0.1"])
    _, _, port = address(process)
    assert "Secure" in _cookie(port, X_Forwarded_Proto="https", X_Forwarded_For="203.0.113.7")
    process.terminate()
    errors = process.communicate(timeout=60)[1]
    assert "unencrypted" not in errors


def test_headers_of_an_untrusted_proxy_are_ignored(start, token) -> None:  # noqa: ANN001
    _, _, port = address(start())
    assert "Secure" not in _cookie(port, X_Forwarded_Proto="https", X_Forwarded_For="203.0.113.7")


def _cookie(port: int, **headers: str) -> str:
    page = ask(port, "/login")[1]
    csrf_token = page.split('name="csrf_token" value="')[1].split('"')[0]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = f"name=maria&password={PASSWORD.replace(' ', '+')}&csrf_token={csrf_token}"
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", "/login", body, {"Content-Type": "application/x-www-form-urlencoded", **sent})
        answer = connection.getresponse()
        answer.read()
        return answer.headers["Set-Cookie"]
    finally:
        connection.close()


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    """A self-signed certificate."""
    files = {"tls_cert_file": f"{tmp_path}/base.crt", "tls_key_file": f"{tmp_path}/base.key"}
    options = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    command = [
        need("openssl"),
        "req",
        *options.split(),
        "-keyout",
        files["tls_key_file"],
        "-out",
        files["tls_cert_file"],
    ]
    subprocess.run(command, check=True, capture_output=True)
    return files


def test_certificate_makes_the_server_speak_only_tls(start, certificate) -> None:  # noqa: ANN001
    scheme, _, port = address(start(**certificate))
    assert scheme == "https"
    trust = ssl.create_default_context(cafile=certificate["tls_cert_file"])
    connection = http.client.HTTPSConnection("localhost", port, context=trust, timeout=60)
    connection.request("GET", "/healthz")
    assert json.loads(connection.getresponse().read())["database"] is True
    connection.close()
    with socket.create_connection(("127.0.0.1", port)) as plain, pytest.raises(ssl.SSLError):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(port, "/healthz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tls_key_file": None}, "go together"),
        ({"tls_key_file": "/none.key"}, "/none.key"),
        ({"tls_cert_file": __file__}, "test_server_tls.py"),
        ({"trusted_proxies": ["proxy.local"]}, "127.0.0.1 or 10.0.0.0/8"),
    ],
)
def test_invalid_web_settings_stop_the_start(refused, certificate, change, message) -> None:  # noqa: ANN001
    assert message in refused({**certificate, **change})
