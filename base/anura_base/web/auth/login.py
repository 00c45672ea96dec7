"""Login and logout."""

import ipaddress
import logging
import math
import threading
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from anura_base.access import accounts, sessions
from anura_base.access.throttle import Throttle
from anura_base.db.engine import write_transaction
from anura_base.web.auth.cookies import delete_session, session_key, set_session
from anura_base.web.auth.visitor import csrf_token
from anura_base.web.state import Database, from_state
from anura_base.web.templating import render, root_of

log = logging.getLogger(__name__)

TRIES_PER_ADDRESS = 20
TRIES_PER_USER = 100
"""From all addresses from which the user has not logged in yet. A hundred tries in 15 minutes are ten thousand in a
day, far too few to guess twelve characters."""
PER_S = 900.0

MAX_KNOWN = 10_000
"""Addresses of users that are remembered until the base station ends."""

LOGIN_ERROR = "The name or the password is wrong."


class LoginService:
    """Checks passwords and starts sessions. The number of tries is limited for each user and each address.

    Strangers who try the password of a user must not lock the user out. So their tries do not count for an address
    from which the user has logged in before.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._addresses = Throttle(TRIES_PER_ADDRESS, PER_S)
        self._users = Throttle(TRIES_PER_USER, PER_S)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def log_in(self, name: str, password: str, address: str, earlier: str | None) -> str | None:
        """Start a session and return its secret, or None if the name or the password is wrong.

        `earlier` is the secret of the browser's session, which ends: a session does not outlive a login.

        Raises HTTPException (429) after too many tries.
        """
        if not self.is_password(name, password, address):
            return None
        with write_transaction(self._engine) as connection:
            if earlier:
                sessions.end(connection, earlier)
            return sessions.start(connection, name, datetime.now(UTC))

    def is_password(self, name: str, password: str, address: str) -> bool:
        """Return whether a user has this password.

        Raises HTTPException (429) after too many tries.
        """
        self._count_try(name, address)
        if accounts.authenticate(self._engine, name, password) is None:
            # The name is not logged, because people type their password into this field by mistake.
            log.warning("a wrong password from %s", address)
            return False
        with self._lock:
            if (name, address) not in self._known:
                self._users.refund(name, time.monotonic())
            self._remember(name, address)
            self._addresses.refund(address, time.monotonic())
        return True

    def _remember(self, name: str, address: str) -> None:
        self._known[name, address] = None
        self._known.move_to_end((name, address))
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def _count_try(self, name: str, address: str) -> None:
        now_s = time.monotonic()
        with self._lock:  # counted before the password is checked, so that parallel tries count, too
            is_known = (name, address) in self._known
            wait_s = max(self._addresses.wait_s(address, now_s), 0.0 if is_known else self._users.wait_s(name, now_s))
            if wait_s > 0:
                headers = {"Retry-After": str(math.ceil(wait_s))}
                raise HTTPException(429, f"too many tries; wait {math.ceil(wait_s / 60)} min", headers=headers)
            self._addresses.count(address, now_s)
            if not is_known:
                self._users.count(name, now_s)


router = APIRouter()


@router.get("/login")
def login_page(request: Request, next: str = "") -> Response:  # noqa: A002  (the parameter's name in the address)
    """Show the login form."""
    return _form(request, next)


@router.post("/login")
def log_in(
    request: Request,
    login: Annotated[LoginService, from_state("login")],
    name: Annotated[str, Form(max_length=256)] = "",
    password: Annotated[str, Form(max_length=1_000)] = "",
    next: Annotated[str, Form(max_length=4_000)] = "",  # noqa: A002
) -> Response:
    """Log in and go to the page `next`."""
    key = login.log_in(name.strip().lower(), password, client_network(request), session_key(request))
    if key is None:
        return _form(request, next, LOGIN_ERROR, 401)
    answer = RedirectResponse(_own_page(request, next), 303)
    set_session(request, answer, key)
    return answer


@router.post("/logout")
def log_out(request: Request, engine: Database) -> Response:
    """End the session and show the login form."""
    if key := session_key(request):
        with write_transaction(engine) as connection:
            sessions.end(connection, key)
    answer = RedirectResponse(f"{root_of(request)}/login", 303)
    delete_session(request, answer)
    return answer


def client_network(request: Request) -> str:
    """Return the client's address. For IPv6 it is the /64 network, because one client has 2^64 addresses."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


def _form(request: Request, next_page: str, error: str = "", status: int = 200) -> Response:
    page = render(request, "login.html", csrf_token=csrf_token(request), next=next_page, error=error)
    return HTMLResponse(page, status, {"Cache-Control": "no-store"})


def _own_page(request: Request, next_page: str) -> str:
    """Return the page to show after the login. A page of another site is replaced by the front page."""
    home = f"{root_of(request)}/"
    # `//host` and `/\host` are other sites. A browser drops control characters, which could then leave one of these.
    is_path = next_page.startswith("/") and next_page[1:2] not in {"/", "\\"} and next_page.isprintable()
    return next_page if is_path and next_page.startswith(home) else home
