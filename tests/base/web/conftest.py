"""The application in this process, with a real database."""

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from cheap_passwords import PASSWORD, use_cheap_hashes
from clip_device import ClipDevice, make_flac
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.testclient import TestClient

from anura_base.db.engine import open_database
from anura_base.web.app import create_app
from anura_base.web.auth.visitor import Admin, Reviewer, Viewer, csrf_token


@pytest.fixture
def engine(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    use_cheap_hashes(monkeypatch)
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def app_of(engine: Engine) -> Callable[..., FastAPI]:
    """Build the application with additional routes for the tests."""

    def build(**options: bool) -> FastAPI:
        app = create_app(
            engine,
            SimpleNamespace(commits=0, healthy=True),
            SimpleNamespace(connected=True),
            threading.Event(),
            **options,
        )

        @app.post("/review-test")
        async def review_test(reviewer: Reviewer) -> str:
            return reviewer.name

        @app.post("/admin-test")
        async def admin_test(admin: Admin) -> str:
            return admin.name

        @app.post("/without-role")
        async def without_role() -> str:
            """A route that states no role."""
            return "done"

        @app.get("/me")
        async def me(viewer: Viewer) -> str:
            return f"{viewer.name} {viewer.role}"

        app.add_api_route("/token", csrf_token, response_model=str)
        return app

    return build


@pytest.fixture
def client_of(app_of: Callable[..., FastAPI]) -> Callable[..., TestClient]:
    """A client on this computer. It sends no headers of a browser by itself."""

    def client(url: str = "http://127.0.0.1:8080", **options: bool) -> TestClient:
        return TestClient(app_of(**options), base_url=url, follow_redirects=False)

    return client


@pytest.fixture
def log_in() -> Callable[[TestClient, str], str]:
    """Log in as a user and return the CSRF token."""

    def log_in_as(client: TestClient, name: str) -> str:
        page = client.get("/login").text
        token = page.split('name="csrf_token" value="')[1].split('"')[0]
        answer = client.post("/login", data={"name": name, "password": PASSWORD, "csrf_token": token})
        assert answer.status_code == 303, answer.text
        return str(client.get("/token").json())

    return log_in_as


@pytest.fixture
def flac() -> Callable[..., bytes]:
    return make_flac


@pytest.fixture
def clip_devices() -> Callable[..., ClipDevice]:
    return ClipDevice
