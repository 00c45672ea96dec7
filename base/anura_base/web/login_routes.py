"""The pages to log in and out."""

import ipaddress
import logging
import math
import threading
import time
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from anura_base.access import accounts, sessions
from anura_base.access.throttle import Throttle
from anura_base.db.engine import write_transaction
from anura_base.web.auth import COOKIE, SECURE_COOKIE, csrf_token, session_key
from anura_base.web.templating import render, root_of

log = logging.getLogger(__name__)

TRIES_PER_ADDRESS = 20
TRIES_PER_USER = 10
PER_S = 900.0
"""Ten tries in a quarter of an hour are a thousand a day: against twelve characters that is nothing."""

WRONG = "This name and password do not go together."


class Door:
    """Asks for the password, and for no more passwords than a person mistypes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._addresses = Throttle(TRIES_PER_ADDRESS, PER_S)
        self._users = Throttle(TRIES_PER_USER, PER_S)

    def open(self, name: str, password: str, address: str) -> str | None:
        """Begin a session and return its secret; None when name and password do not go together.

        Raises HTTPException (429) when there were too many tries.
        """
        self._count_try(name, address)
        who = accounts.authenticate(self._engine, name, password)
        if who is None:
            # Never the name: people type their password there by mistake.
            log.warning("a wrong password from %s", address)
            return None
        with self._lock:
            self._users.reset(name)
            self._addresses.refund(address, time.monotonic())
        with write_transaction(self._engine) as connection:
            return sessions.start(connection, who.name, datetime.now(UTC))

    def _count_try(self, name: str, address: str) -> None:
        now_s = time.monotonic()
        with self._lock:  # counted before the password is checked: many at once are many
            wait_s = max(self._addresses.wait_s(address, now_s), self._users.wait_s(name, now_s))
            if wait_s > 0:
                after = {"Retry-After": str(math.ceil(wait_s))}
                raise HTTPException(429, f"too many tries; wait {math.ceil(wait_s / 60)} min", headers=after)
            self._addresses.count(address, now_s)
            self._users.count(name, now_s)


def login_routes(engine: Engine) -> APIRouter:
    """Return the routes to log in and out."""
    router = APIRouter()
    door = Door(engine)

    def form(request: Request, then: str, said: str, status: int = 200) -> Response:
        page = render(request, "login.html", csrf_token=csrf_token(request), then=then, said=said)
        return HTMLResponse(page, status, {"Cache-Control": "no-store"})

    @router.get("/login")
    def ask(request: Request, next: str = "") -> Response:  # noqa: A002  (it is the parameter's name)
        return form(request, next, "")

    @router.post("/login")
    def log_in(
        request: Request,
        name: Annotated[str, Form(max_length=256)] = "",
        password: Annotated[str, Form(max_length=1_000)] = "",
        next: Annotated[str, Form(max_length=4_000)] = "",  # noqa: A002
    ) -> Response:
        key = door.open(name.strip().lower(), password, _network(request))
        if key is None:
            return form(request, next, WRONG, 401)
        answer = RedirectResponse(_ours(request, next), 303)
        secure = request.url.scheme == "https"
        name_of_cookie = SECURE_COOKIE if secure else COOKIE
        lasts_s = int(sessions.MAX_AGE.total_seconds())
        answer.set_cookie(name_of_cookie, key, max_age=lasts_s, path="/", secure=secure, httponly=True, samesite="lax")
        return answer

    @router.post("/logout")
    def log_out(request: Request) -> Response:
        if key := session_key(request):
            with write_transaction(engine) as connection:
                sessions.end(connection, key)
        answer = RedirectResponse(f"{root_of(request)}/login", 303)
        secure = request.url.scheme == "https"
        answer.delete_cookie(SECURE_COOKIE if secure else COOKIE, path="/", secure=secure, httponly=True)
        return answer

    return router


def _ours(request: Request, wanted: str) -> str:
    """Return where to go after the login: a page of ours, never another site's."""
    home = f"{root_of(request)}/"
    # `//host` and `/\host` are other sites; a control character would be dropped by the browser, and then be one.
    plain = wanted.startswith("/") and wanted[1:2] not in {"/", "\\"} and wanted.isprintable()
    return wanted if plain and wanted.startswith(home) else home


def _network(request: Request) -> str:
    """Return what counts as one address: of IPv6 everybody has 2^64."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
