"""Clips over HTTP: roles, ranges and states."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from anura_base.access import tokens
from anura_base.access.roles import Role
from anura_base.clips import transfer
from anura_base.db.engine import open_database
from anura_base.web.app import create_app

Make = Callable[..., Any]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'base.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def client_of(engine: Engine) -> Callable[[Role], TestClient]:
    """A client with a token of a role."""
    worker, subscriber = SimpleNamespace(commits=0, healthy=True), SimpleNamespace(connected=True)
    app = create_app(engine, worker, subscriber, threading.Event())

    def make(role: Role) -> TestClient:
        with engine.begin() as connection:
            token = tokens.add_token(connection, role.value, role, datetime.now(UTC))
        return TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {token}"})

    return make


@pytest.fixture
def calls(engine: Engine, make: Any, flac: Make, clip_devices: Make) -> dict[str, UUID]:
    """Events with a stored clip, with an unfinished clip, and without a clip."""
    with engine.begin() as connection:
        device = clip_devices(connection)
        here, coming, never = (device.add_event(make.event(seq)) for seq in (1, 2, 3))
        device.request(here)
        device.send_file(here, flac(seconds=12), 16_000)
        device.request(coming)
        device.send_message(device.part(coming, flac(seed=2), 0, 1_000))
    return {"here": here, "coming": coming, "never": never, "unknown": uuid4()}


def test_clip_and_spectrogram_are_served_and_cached(client_of: Make, calls: dict[str, UUID], flac: Make) -> None:
    client = client_of(Role.VIEW)
    for path, media_type, begin in (("clip.flac", "audio/flac", b"fLaC"), ("spectrogram.png", "image/png", b"\x89PNG")):
        answer = client.get(f"/api/events/{calls['here']}/{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
        assert answer.content.startswith(begin)
        assert answer.headers["cache-control"] == "private, no-cache"
        again = client.get(f"/api/events/{calls['here']}/{path}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"/api/events/{calls['here']}/clip.flac").content == flac(seconds=12)


@pytest.mark.parametrize(
    ("byte_range", "first", "last"),
    [("bytes=0-", 0, None), ("bytes=0-1", 0, 2), ("bytes=7-99", 7, 100), ("bytes=100-99999999", 100, None)],
)
def test_requested_range_is_returned(
    client_of: Make, calls: dict[str, UUID], flac: Make, byte_range: str, first: int, last: int | None
) -> None:
    answer = client_of(Role.VIEW).get(f"/api/events/{calls['here']}/clip.flac", headers={"Range": byte_range})
    file = flac(seconds=12)
    assert answer.status_code == 206
    assert answer.content == file[first:last]
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(file)}"


@pytest.mark.parametrize("byte_range", ["bytes=-5", "bytes=99999999-", "bytes=0-1,3-4", "lines=1-2", "bytes=٣-", ""])
def test_unsupported_range_returns_the_whole_file(client_of: Make, calls: dict[str, UUID], byte_range: str) -> None:
    path = f"/api/events/{calls['here']}/clip.flac"
    assert client_of(Role.VIEW).get(path, headers={"Range": byte_range.encode()}).status_code == 200


def test_missing_clip_is_explained(client_of: Make, calls: dict[str, UUID]) -> None:
    client = client_of(Role.VIEW)
    for name, reason in (("coming", "not stored: coming"), ("never", "was requested"), ("unknown", "no call")):
        for path in ("clip.flac", "spectrogram.png"):
            answer = client.get(f"/api/events/{calls[name]}/{path}")
            assert answer.status_code == 404
            assert reason in answer.json()["detail"]
    clip = client.get(f"/api/events/{calls['coming']}/clip").json()
    assert (clip["state"], clip["came"], clip["asked_by"]) == ("coming", 1_000, "maria")
    clip = client.get(f"/api/events/{calls['here']}/clip").json()
    assert clip["state"] == "here"
    # The call begins 220,500 samples after the recording, the clip 500 samples before it, and lasts two seconds.
    assert clip["onset_s"] == pytest.approx(500 / 22_050)
    assert clip["offset_s"] == pytest.approx(2 + 500 / 22_050)


def test_roles_may_play_request_and_delete(client_of: Make, engine: Engine, calls: dict[str, UUID]) -> None:
    viewer, reviewer, admin = (client_of(role) for role in (Role.VIEW, Role.REVIEW, Role.ADMIN))
    path = f"/api/events/{calls['never']}/clip"
    assert viewer.post(path).status_code == 403
    answer = reviewer.post(path)
    assert (answer.status_code, answer.json()["state"], answer.json()["asked_by"]) == (202, "asked", "token review")
    assert admin.post(path).json()["asked_by"] == "token review", "the first request counts"
    assert reviewer.post(f"/api/events/{calls['here']}/clip").json()["state"] == "here"
    assert reviewer.post(f"/api/events/{calls['unknown']}/clip").status_code == 404
    here = f"/api/events/{calls['here']}/clip"
    assert reviewer.delete(here).status_code == 403
    assert admin.delete(here).status_code == 204
    assert admin.get(f"{here}.flac").status_code == 404
    assert admin.delete(here).status_code == 404


def test_too_many_unfinished_clips_are_refused(
    client_of: Make, calls: dict[str, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MAX_OPEN", 1)
    answer = client_of(Role.REVIEW).post(f"/api/events/{calls['never']}/clip")
    assert answer.status_code == 409
    assert "unfinished clips" in answer.json()["detail"]


def test_clips_need_a_login(client_of: Make, calls: dict[str, UUID]) -> None:
    unknown_client = client_of(Role.VIEW)
    unknown_client.headers["Authorization"] = "Bearer wrong"
    for path in ("clip", "clip.flac", "spectrogram.png"):
        assert unknown_client.get(f"/api/events/{calls['here']}/{path}").status_code == 401
