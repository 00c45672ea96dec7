"""The explorer's server: for this machine alone, for its own page alone, for the files that were named alone."""

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
    """Ask as a program does: `ask("GET", "/")` is the status, and what was said or sent."""

    def send(method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=DEADLINE_S)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        sent = answer.read()
        connection.close()
        kind = answer.headers["Content-Type"]
        return answer.status, json.loads(sent) if kind.endswith("json") else sent

    return send


def test_it_serves_its_page_and_what_that_needs(ask: Ask) -> None:
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
        "/etc/passwd", "/static/explore/../hearing.py", "/static/explore/%2e%2e/hearing.py", "//etc/passwd",
        "/static/explore/", "/explore/hear", "/static/explore/vendor", "/A_20261120_193000.wav",
    ],
)  # fmt: skip
def test_it_serves_nothing_else(ask: Ask, path: str) -> None:
    status, said = ask("GET", path)
    assert (status, said["title"]) == (404, "Not Found")


def test_a_named_recording_is_heard_and_no_other(ask: Ask) -> None:
    status, sent = ask("POST", "/explore/hear?recording=0")
    assert status == 200
    assert b'"A_20261120_193000.wav"' in sent
    for number in ("1", "-1", "0x0", "9" * 5_000, "../x"):
        assert ask("POST", f"/explore/hear?recording={number}")[0] == 404


def test_what_is_sent_is_heard_and_nothing_of_it_stays(served: Any, ask: Ask, recording: Path) -> None:
    status, sent = ask("POST", "/explore/hear?name=mine.wav", recording.read_bytes())
    assert status == 200
    assert b'"mine.wav"' in sent
    assert served.kept == []


@pytest.mark.parametrize("format_", ["AIFF", "AU", "CAF", "FLAC", "MP3", "OGG", "RF64", "VOC", "W64", "WAVEX"])
def test_any_format_that_libsndfile_reads_is_heard(ask: Ask, recording: Path, format_: str) -> None:
    samples, rate_hz = sf.read(recording)
    encoded = io.BytesIO()
    sf.write(encoded, samples, rate_hz, format=format_)
    status, sent = ask("POST", f"/explore/hear?name=x.{format_.lower()}", encoded.getvalue())
    assert status == 200, sent


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("x.wav", b""), ("x.wav", b"RIFF"), ("x.wav", bytes(10_000)), ("x.wav", b"\x7fELF" * 3_000),
        ("x.flac", b"fLaC" + b"\xff" * 9_000), ("x.txt", b"DATE,TIME"), ("x.mp3", b"ID3" + b"\1" * 9_000),
        ("x.wac", b"WAC "), ("", b"OggS" + bytes(500)),
    ],
)  # fmt: skip
def test_rubbish_is_refused_in_words_and_nothing_of_it_stays(served: Any, ask: Ask, name: str, body: bytes) -> None:
    status, said = ask("POST", f"/explore/hear?name={name}", body)
    assert status == 422
    assert len(said["detail"]) > 10
    assert str(served.temporary) not in said["detail"]
    assert served.kept == []


def test_too_much_is_refused_before_it_is_taken(served: Any, ask: Ask) -> None:
    status, said = ask("POST", "/explore/hear?name=x.wav", b"RIFF", Content_Length=str(MAX_BYTES + 1))
    assert status == 413
    assert "larger than 268 MB" in said["detail"]
    assert served.kept == []


@pytest.mark.parametrize("asked", ["window_s=soon", "hop_s=nan", "window_s=1e999", "hop_s=0.5"])
def test_a_window_that_is_none_for_this_model_is_refused(ask: Ask, asked: str) -> None:
    assert ask("POST", f"/explore/hear?recording=0&{asked}")[0] == 422


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "192.0.2.7", "", "127.0.0.1.evil.example", "["])
def test_another_name_for_this_machine_gets_nothing(ask: Ask, host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/explore/recordings"), ("POST", "/explore/hear?recording=0")):
        assert ask(method, path, Host=host)[0] == 403


def test_its_own_names_are_known(ask: Ask) -> None:
    for host in ("localhost", "localhost:1234", "127.0.0.1:80", "[::1]:80"):
        assert ask("GET", "/", Host=host)[0] == 200


@pytest.mark.parametrize(
    "headers", [{"Sec_Fetch_Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"}]
)
def test_another_sites_page_cannot_have_anything_heard(ask: Ask, headers: dict[str, str]) -> None:
    assert ask("POST", "/explore/hear?recording=0", **headers)[0] == 403


def test_every_answer_has_the_policy(served: Any) -> None:
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=DEADLINE_S)
    for path in ("/", "/static/explore/explore.js", "/nothing"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'; style-src 'self' 'sha256-")
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        connection.close()


def test_told_to_stop_it_ends_and_leaves_nothing_even_of_what_is_being_sent(
    explore: Callable[..., Any], stream_path: Path
) -> None:
    served = explore(stream_path)
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=DEADLINE_S)
    connection.putrequest("POST", "/explore/hear?name=x.wav")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"RIFF")
    eventually(lambda: served.kept)
    ended = served.stop()
    connection.close()
    assert ended == (0, "")
    assert list(served.temporary.iterdir()) == []


def test_a_mistake_on_the_command_line_is_told_before_anything_is_served(
    settings: dict[str, str], command: list[str], tmp_path: Path, stream_path: Path
) -> None:
    (tmp_path / "x.wav").write_bytes(b"nothing")
    told = [("x.wav", 4), ("none.wav", 4)]
    for argument, code in told:
        chosen = {**settings, "ANURA__MODEL__BUNDLE": str(stream_path)}
        done = subprocess.run([*command, "explore", argument], cwd=tmp_path, env=chosen, capture_output=True, text=True)
        assert done.returncode == code
        assert done.stderr.startswith("anura-edge: ")
        assert "Traceback" not in done.stderr
