"""The routes of the explorer: roles, uploads and refusals."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from anura_base.access.roles import Role
from anura_edge.explore import upload
from anura_edge.inference.bundle import DEFAULT_BUNDLE, GOLDEN_CLIP

LogIn = Callable[[TestClient, str], str]

CLIP = (DEFAULT_BUNDLE / GOLDEN_CLIP).read_bytes()


@pytest.fixture(autouse=True)
def upload_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for uploads. It must be empty after each request."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def send(client: TestClient, token: str, content: bytes, query: str = "name=mine.flac") -> tuple[int, bytes]:
    answer = client.post(f"/explore/hear?{query}", content=content, headers={"X-CSRF-Token": token})
    return answer.status_code, answer.content


@pytest.mark.parametrize("role", list(Role))
def test_analysis_needs_the_role_review(
    client_of: Callable[..., TestClient], add_user: Callable[..., None], log_in: LogIn, role: Role, upload_folder: Path
) -> None:
    add_user("maria", role)
    client = client_of()
    token = log_in(client, "maria")
    may = role.allows(Role.REVIEW)
    assert client.get("/explore").status_code == 200
    assert (client.get("/explore/recordings").json()["refusal"] is None) == may
    status, sent = send(client, token, CLIP)
    assert (status, b"mine.flac" in sent[:10_000]) == ((200, True) if may else (403, False))
    assert list(upload_folder.iterdir()) == []


def test_analysis_needs_login_and_csrf_token(
    client_of: Callable[..., TestClient], add_user: Callable[..., None], log_in: LogIn
) -> None:
    add_user("maria", Role.ADMIN)
    client = client_of()
    assert send(client, "", CLIP)[0] == 401
    assert client.get("/explore/recordings").status_code == 401
    token = log_in(client, "maria")
    assert send(client, "", CLIP)[0] == 403
    foreign = {"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"}
    assert client.post("/explore/hear", content=CLIP, headers=foreign).status_code == 403


@pytest.mark.parametrize(
    ("query", "content", "status"),
    [
        ("name=x.wav", b"", 422),
        ("name=x.txt", b"DATE,TIME", 422),
        ("name=x.flac", b"fLaC" + b"\xff" * 9_000, 422),
        ("name=x.flac&hop_s=nan", CLIP, 422),
        ("name=x.flac&hop_s=-1", CLIP, 422),
        ("name=" + "x" * 400, CLIP, 422),
        ("name=x.flac", bytes(5_000), 413),
    ],
)
def test_invalid_upload_is_refused_and_deleted(
    client_of: Callable[..., TestClient],
    monkeypatch: pytest.MonkeyPatch,
    upload_folder: Path,
    query: str,
    content: bytes,
    status: int,
) -> None:
    if status == 413:
        monkeypatch.setattr(upload.Upload.__init__, "__defaults__", (None, 1_000))
    client = client_of()
    answer = client.post(
        f"/explore/hear?{query}", content=content, headers={"X-CSRF-Token": client.get("/token").json()}
    )
    assert answer.status_code == status
    assert len(answer.json()["detail"]) > 10
    assert str(upload_folder) not in answer.json()["detail"]
    assert list(upload_folder.iterdir()) == []


def test_onnx_runtime_is_loaded_at_the_first_analysis() -> None:
    program = "import sys, anura_base.web.app; print('onnxruntime' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"
