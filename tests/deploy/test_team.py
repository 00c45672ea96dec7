"""The how-to for teams: its commands in order, and its settings for two proxies."""

import http.client
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from cheap_passwords import PASSWORD
from support import eventually, free_port, need
from typer.testing import CliRunner

from anura_base.cli.main import app

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGE = ROOT / "docs" / "how-to" / "run-a-base-station-for-a-team.md"


def block(language: str, number: int = 0) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found[number])


def run_commands(folder: Path, only: int | None = None) -> list[str]:
    """Run the commands of the page in order, with a password file instead of a terminal. Return their outputs."""
    text = "".join(block("console", number) for number in range(2))
    (folder / "password").write_text(f"{PASSWORD}\n")
    printed = []
    for line in text.replace("/var/lib/anura-base", str(folder)).splitlines()[:only]:
        _sudo, program, *arguments = shlex.split(line)
        assert program == "/opt/anura/bin/anura-base"
        given = ["--password-file", str(folder / "password")] if arguments[:2] == ["user", "add"] else []
        done = CliRunner().invoke(app, [*arguments, *given], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        printed.append(done.stdout)
    return printed


def test_commands_of_the_page_work(tmp_path: Path) -> None:
    printed = run_commands(tmp_path)
    assert "jose has the role review" in printed[2]
    assert re.search(r"jose\s+review", printed[3])
    assert printed[4].startswith("anura_")


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Start a base station behind a proxy with the settings of the page. Return the port of the proxy."""
    with ExitStack() as stack:

        def start(proxy: str, prefix: str) -> int:
            program = need(proxy)
            run_commands(tmp_path, only=1)
            base_port, port = free_port(), free_port()
            settings = yaml.safe_load(block("yaml"))
            settings |= {"state_dir": str(tmp_path), "mqtt": {"port": free_port()}}
            settings["web"]["port"] = base_port
            (tmp_path / "base.yaml").write_text(yaml.safe_dump(settings))
            command = [BIN / "anura-base", "run", "--config", tmp_path / "base.yaml"]
            base = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(base.kill)
            assert base.stdout
            assert b"http://" in base.stdout.readline()
            running = subprocess.Popen(
                _proxy(program, proxy, tmp_path, base_port, port, prefix), stderr=subprocess.DEVNULL
            )
            stack.callback(running.wait)
            stack.callback(running.terminate)
            eventually(lambda: _status(port, f"{prefix}/healthz") in {200, 503})
            return port

        yield start


@pytest.mark.parametrize("prefix", ["", "/frogs"])
@pytest.mark.parametrize("proxy", ["nginx", "caddy"])
def test_pages_and_login_work_behind_the_proxy_of_the_page(
    proxied: Callable[..., int], proxy: str, prefix: str
) -> None:
    port = proxied(proxy, prefix)
    assert _status(port, f"{prefix}/api/devices") == 401
    page, _ = _ask(port, "GET", f"{prefix}/login")
    for link in re.findall(r'(?:href|src|action)="([^"]+)"', page):
        assert link.startswith(f"{prefix}/")
        assert _status(port, link) == 200, link
    token = re.search(r'name="csrf_token" value="(\w+)"', page)
    assert token
    form = f"name=maria&password={PASSWORD.replace(' ', '+')}&csrf_token={token[1]}"
    origin = {"Origin": f"http://frogs.example.org:{port}", "Content-Type": "application/x-www-form-urlencoded"}
    _, headers = _ask(port, "POST", f"{prefix}/login", form, origin)
    assert headers["Location"] == f"{prefix}/"
    cookie = {"Cookie": headers["Set-Cookie"].partition(";")[0]}
    devices, _ = _ask(port, "GET", f"{prefix}/api/devices", None, cookie)
    assert devices == "[]"
    page, _ = _ask(port, "GET", f"{prefix}/", None, cookie)
    assert f'href="{prefix}/network"' in page
    assert f'href="{prefix}/" aria-current="page"' in page
    _, headers = _ask(port, "GET", f"{prefix}/network", None, {"Accept": "text/html"})
    assert headers["Location"] == f"{prefix}/login?next={prefix}/network"
    page, _ = _ask(port, "GET", f"{prefix}/explore", None, cookie)
    secret = re.search(r'data-token="(\w+)"', page)
    assert secret
    path = f"{prefix}/explore/hear?name=frogs.wav"
    answer, _ = _ask(port, "POST", path, "x" * 3_000_000, {**cookie, "X-CSRF-Token": secret[1]})
    assert "frogs.wav" in json.loads(answer)["detail"]  # the base station has read it: it is not audio


def _proxy(program: str, proxy: str, folder: Path, base_port: int, port: int, prefix: str) -> list[str]:
    """Return the command that runs the settings of the page or of deploy/base, without TLS: a test has no domain."""
    file = ROOT / "deploy" / "base" / {"caddy": "Caddyfile", "nginx": "nginx.conf"}[proxy]
    here = file.read_text(encoding="utf-8") if prefix else block({"caddy": "caddyfile", "nginx": "nginx"}[proxy])
    here = here.replace("127.0.0.1:8080", f"127.0.0.1:{base_port}")
    if proxy == "caddy":
        text = "{\n\tadmin off\n\tauto_https off\n}\n" + here.replace("frogs.example.org", f"http://:{port}")
        (folder / "Caddyfile").write_text(text)
        return [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    plain = re.sub(r"\n\s+ssl_certificate.*", "", here.replace("443 ssl", f"127.0.0.1:{port}"))
    temp = "".join(f"{name}_temp_path {folder};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    around = f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}\nhttp {{ access_log off; {temp}\n"
    (folder / "nginx.conf").write_text(f"{around}{plain}}}\n")
    return [
        program,
        "-c",
        str(folder / "nginx.conf"),
        "-p",
        str(folder),
        *(["-g", "user root;"] if os.geteuid() == 0 else []),
    ]


def _ask(
    port: int, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
) -> tuple[str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Host": f"frogs.example.org:{port}", **(headers or {})})
        answer = connection.getresponse()
        return answer.read().decode(), answer.headers
    finally:
        connection.close()


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={"Host": f"frogs.example.org:{port}"})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
