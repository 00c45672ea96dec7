"""Stands before every route. What it does not know to be open asks for at least a viewer, whatever a route says.

A route says who may use it by a parameter:

    @router.get("/calls")
    def calls(viewer: Viewer) -> ...

    @router.post("/calls/{id}/verdict")
    def judge(reviewer: Reviewer) -> ...

Each is a `Principal` with a name and a role. Every form that changes something has a hidden field `csrf_token`, and
every script's request that does a header `X-CSRF-Token`, with what `csrf_token(request)` returns. That is all a route
needs to know: the guard has refused the rest before.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qs, quote

from fastapi import Depends, HTTPException
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anura_base.access import accounts, secret, sessions, tokens
from anura_base.access.roles import LOCAL_ADMIN, Principal, Role
from anura_base.web.origin import SAFE_METHODS, came_through_a_proxy, is_foreign, names_this_machine
from anura_base.web.problems import problem

OPEN_PATHS = ("/healthz", "/login", "/invitation")
OPEN_FOLDERS = ("/static/",)

COOKIE = "anura"
SECURE_COOKIE = "__Host-anura"
"""A browser takes a cookie of this name from the host itself alone, over TLS (RFC 6265bis, section 4.1.3.2)."""

MAX_FORM_BYTES = 100_000
"""What a form may have, so that nobody fills the memory before being known."""

LOOK_AGAIN_S = 30.0
"""A stream goes on for hours: this often the guard looks whether its reader may still see it."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What the guard found out about a request."""

    principal: Principal | None
    csrf_token: str
    session: str | None
    """The session's secret, where there is one."""


class _RefusedError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class _EndedError(OSError):
    """A stream was ended: for what sends it as if the reader had gone."""


class Guard:
    """An ASGI middleware."""

    def __init__(self, app: ASGIApp, engine: Engine, *, login_always: bool) -> None:
        self._app = app
        self._engine = engine
        self._login_always = login_always
        # Who is alone at this machine has no session that a token could follow from.
        self._local_secret = secret.new()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":  # a server that begins or ends; nothing here speaks over web sockets
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            receive = await self._let_in(request, receive)
        except _RefusedError as refused:
            await self._refuse(request, refused)(scope, receive, send)
        except SQLAlchemyError:
            answer = problem(request, 503, "the database does not answer; try again, or look at the station's log")
            await answer(scope, receive, send)
        else:
            try:
                await self._app(scope, receive, self._watch(request, send))
            except* _EndedError:
                pass

    async def _let_in(self, request: Request, receive: Receive) -> Receive:
        changes = request.method not in SAFE_METHODS
        if changes and is_foreign(request):
            raise _RefusedError(403, "this request comes from another site's page; open the base station's own")
        if _is_open(request):
            request.state.visit = Visit(None, secret.derive(self._local_secret, "csrf"), None)
        else:
            request.state.visit = await run_in_threadpool(self._identify, request)
        if changes and _bearer(request) is None:
            return await _check_token(request, receive)
        return receive

    def _watch(self, request: Request, send: Send) -> Send:
        """Return a `send` that lets no cache keep what only some may see, and ends a stream when they may not."""
        looked_s = time.monotonic()

        async def watched(message: Message) -> None:
            nonlocal looked_s
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Cache-Control", "no-store")
            elif message.get("more_body") and time.monotonic() - looked_s > LOOK_AGAIN_S:
                looked_s = time.monotonic()
                try:
                    await run_in_threadpool(self._identify, request)
                except (_RefusedError, SQLAlchemyError) as error:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    raise _EndedError from error
            await send(message)

        return send if _is_open(request) else watched

    def _identify(self, request: Request) -> Visit:
        now = datetime.now(UTC)
        if (token := _bearer(request)) is not None:
            if principal := tokens.find(self._engine, token, now):
                return Visit(principal, "", None)
            raise _RefusedError(401, "there is no such token; make one with `anura-base token add NAME --role view`")
        if (key := session_key(request)) and (principal := sessions.find(self._engine, key, now)):
            return Visit(principal, secret.derive(key, "csrf"), key)
        with self._engine.connect() as connection:
            if self._login_always or accounts.has_users(connection):
                raise _RefusedError(401, "log in, or send a token: `Authorization: Bearer ...`")
        return self._alone(request)

    def _alone(self, request: Request) -> Visit:
        if came_through_a_proxy(request):
            raise _RefusedError(
                403, "this came through a proxy, so a login is needed: set web.trusted_proxies and add a user"
            )
        if not names_this_machine(request):
            raise _RefusedError(403, "without users the base station answers to 127.0.0.1 and localhost alone")
        return Visit(LOCAL_ADMIN, secret.derive(self._local_secret, "csrf"), None)

    def _refuse(self, request: Request, refused: _RefusedError) -> Response:
        wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        if refused.status == 401 and wants_page:
            here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"{request.scope.get('root_path', '')}/login?next={quote(here, safe='/')}", 303)
        answer = problem(request, refused.status, refused.detail)
        if refused.status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer


def visit(request: Request) -> Visit:
    """Return what the guard found out about this request."""
    found = request.state.visit
    assert isinstance(found, Visit)  # noqa: S101  (the guard is before every route)
    return found


def csrf_token(request: Request) -> str:
    """Return what a form of this visitor sends in `csrf_token`, and a script in the header `X-CSRF-Token`."""
    return visit(request).csrf_token


def logout_token(request: Request) -> str | None:
    """Return the token for a form that logs this visitor out; None where there is no session to end."""
    return csrf_token(request) if visit(request).session is not None else None


def require(role: Role) -> Callable[[Request], Principal]:
    """Return a dependency that lets in who has at least this role."""

    def principal(request: Request) -> Principal:
        who = visit(request).principal
        if who is None:
            raise HTTPException(401, "log in first")
        if not who.role.allows(role):
            raise HTTPException(403, f"{who.name} may {who.role}; this needs {role}: ask an admin of this base station")
        return who

    return principal


Viewer = Annotated[Principal, Depends(require(Role.VIEW))]
Reviewer = Annotated[Principal, Depends(require(Role.REVIEW))]
Admin = Annotated[Principal, Depends(require(Role.ADMIN))]


def session_key(request: Request) -> str | None:
    """Return the session's secret that a browser sent."""
    return request.cookies.get(SECURE_COOKIE if request.url.scheme == "https" else COOKIE)


def _is_open(request: Request) -> bool:
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _bearer(request: Request) -> str | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


async def _check_token(request: Request, receive: Receive) -> Receive:
    """Look for the token in the header or in the form; return a `receive` that gives the route the form once more."""
    sent = request.headers.get("x-csrf-token")
    if sent is None and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        form = await _read(receive)
        sent = parse_qs(form.decode(errors="replace")).get("csrf_token", [""])[0]
        receive = _again(form, receive)
    if not secret.equal(sent or "", csrf_token(request)):
        raise _RefusedError(403, "this page is out of date: reload it, and send again")
    return receive


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _RefusedError(400, "the connection broke off")
        body += message.get("body", b"")
        if len(body) > MAX_FORM_BYTES:
            raise _RefusedError(413, f"a form has at most {MAX_FORM_BYTES} bytes")
        if not message.get("more_body"):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
