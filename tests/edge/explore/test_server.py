"""The explorer's server answers only this machine, only its own page, and only for named files and uploads."""

import http.client
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import soundfile as sf
from support import DEADLINE_S, eventually

from anura_edge.explore.upload import MAX_BYTES

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def served(explore: Callable[..., Any], stream_path: Path, recording: Path) -> Any:
    return explore(stream_path, recording)


@pytest.fixture
def ask(served: Any) -> Ask:
    """Send a request: `ask("GET", "/")` returns the status and the body, decoded if it is JSON."""

    def send(method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=DEADLINE_S)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        is_json = response.headers["Content-Type"].endswith("json")
        return response.status, json.loads(content) if is_json else content

    return send


def test_page_and_its_files_are_served(ask: Ask) -> None:
    status, page = ask("GET", "/")
    assert status == 200
    for part in page.decode().split('"'):
        if part.startswith("/static/"):
            assert ask("GET", part)[0] == 200, part
    about = ask("GET", "/explore/recordings")[1]
    assert about["recordings"] == [{"id": "0", "name": "A_20261120_193000.wav"}]
    assert about["begin"] == "0"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "/static/explore/../analysis.py", "/static/explore/%2e%2e/analysis.py", "//etc/passwd",
        "/static/explore/", "/explore/hear", "/static/explore/vendor", "/A_20261120_193000.wav",
    ],
)  # fmt: skip
def test_other_paths_are_not_found(ask: Ask, path: str) -> None:
    status, problem = ask("GET", path)
    assert (status, problem["title"]) == (404, "Not Found")


def test_only_named_recordings_are_analysed(ask: Ask) -> None:
    status, content = ask("POST", "/explore/hear?recording=0")
    assert status == 200
    assert b'"A_20261120_193000.wav"' in content
    for number in ("1", "-1", "0x0", "9" * 5_000, "../x"):
        assert ask("POST", f"/explore/hear?recording={number}")[0] == 404


def test_upload_is_analysed_and_deleted(served: Any, ask: Ask, recording: Path) -> None:
    status, content = ask("POST", "/explore/hear?name=mine.wav", recording.read_bytes())
    assert status == 200
    assert b'"mine.wav"' in content
    assert served.stored_files == []


@pytest.mark.parametrize("format_", ["AIFF", "AU", "CAF", "FLAC", "MP3", "OGG", "RF64", "VOC", "W64", "WAVEX"])
def test_every_libsndfile_format_is_analysed(ask: Ask, recording: Path, format_: str) -> None:
    samples, rate_hz = sf.read(recording)
    encoded = io.BytesIO()
    sf.write(encoded, samples, rate_hz, format=format_)
    status, content = ask("POST", f"/explore/hear?name=x.{format_.lower()}", encoded.getvalue())
    assert status == 200, content


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("x.wav", b""), ("x.wav", b"RIFF"), ("x.wav", bytes(10_000)), ("x.wav", b"\x7fELF" * 3_000),
        ("x.flac", b"fLaC" + b"\xff" * 9_000), ("x.txt", b"DATE,TIME"), ("x.mp3", b"ID3" + b"\1" * 9_000),
        ("x.wac", b"WAC "), ("", b"OggS" + bytes(500)),
    ],
)  # fmt: skip
def test_invalid_upload_is_refused_and_deleted(served: Any, ask: Ask, name: str, body: bytes) -> None:
    status, problem = ask("POST", f"/explore/hear?name={name}", body)
    assert status == 422
    assert len(problem["detail"]) > 10
    assert str(served.temporary) not in problem["detail"]
    assert served.stored_files == []


def test_too_large_upload_is_refused_before_it_is_read(served: Any, ask: Ask) -> None:
    status, problem = ask("POST", "/explore/hear?name=x.wav", b"RIFF", Content_Length=str(MAX_BYTES + 1))
    assert status == 413
    assert "larger than 268 MB" in problem["detail"]
    assert served.stored_files == []


@pytest.mark.parametrize("query", ["window_s=soon", "hop_s=nan", "window_s=1e999", "hop_s=0.5"])
def test_invalid_query_is_refused(ask: Ask, query: str) -> None:
    assert ask("POST", f"/explore/hear?recording=0&{query}")[0] == 422


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "192.0.2.7", "", "127.0.0.1.evil.example", "["])
def test_foreign_host_name_is_forbidden(ask: Ask, host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/explore/recordings"), ("POST", "/explore/hear?recording=0")):
        assert ask(method, path, Host=host)[0] == 403


def test_loopback_host_names_are_allowed(ask: Ask) -> None:
    for host in ("localhost", "localhost:1234", "127.0.0.1:80", "[::1]:80"):
        assert ask("GET", "/", Host=host)[0] == 200


@pytest.mark.parametrize(
    "headers", [{"Sec_Fetch_Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"}]
)
def test_cross_site_request_is_forbidden(ask: Ask, headers: dict[str, str]) -> None:
    assert ask("POST", "/explore/hear?recording=0", **headers)[0] == 403


def test_every_response_has_security_headers(served: Any) -> None:
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=DEADLINE_S)
    for path in ("/", "/static/explore/explore.js", "/nothing"):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        assert response.headers["Content-Security-Policy"].startswith("default-src 'self'; style-src 'self' 'sha256-")
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        connection.close()


def test_stop_during_an_upload_leaves_no_files(explore: Callable[..., Any], stream_path: Path) -> None:
    served = explore(stream_path)
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=DEADLINE_S)
    connection.putrequest("POST", "/explore/hear?name=x.wav")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"RIFF")
    eventually(lambda: served.stored_files)
    ended = served.stop()
    connection.close()
    assert ended == (0, "")
    assert list(served.temporary.iterdir()) == []


def test_invalid_argument_is_refused_before_serving(
    settings: dict[str, str], command: list[str], tmp_path: Path, stream_path: Path
) -> None:
    (tmp_path / "x.wav").write_bytes(b"nothing")
    for argument, code in [("x.wav", 4), ("none.wav", 4)]:
        chosen = {**settings, "ANURA__MODEL__BUNDLE": str(stream_path)}
        done = subprocess.run([*command, "explore", argument], cwd=tmp_path, env=chosen, capture_output=True, text=True)
        assert done.returncode == code
        assert done.stderr.startswith("anura-edge: ")
        assert "Traceback" not in done.stderr
