"""Authentication of every request, before any route runs.

A path that is not listed as open needs a viewer, even if its route states no role.
"""

import time
from datetime import UTC, datetime
from urllib.parse import quote

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anura_base.access import accounts, secret, sessions, tokens
from anura_base.access.roles import LOCAL_ADMIN
from anura_base.web.auth.cookies import session_key
from anura_base.web.auth.csrf import RefusedError, check_csrf_token
from anura_base.web.auth.origin import SAFE_METHODS, has_local_host, has_valid_host, is_cross_site, is_proxied
from anura_base.web.auth.visitor import RequestAuth
from anura_base.web.problems import NO_DATABASE, problem
from anura_base.web.templating import path_of, root_of

OPEN_PATHS = ("/healthz", "/login", "/invitation")
OPEN_FOLDERS = ("/static/",)

RECHECK_EVERY_S = 30.0
"""A stream is open for hours. Its reader is authenticated again at this interval."""


class _StreamEndedError(OSError):
    """A stream is ended by the middleware. As an OSError it looks like a closed connection to the route."""


class AuthMiddleware:
    """ASGI middleware that authenticates a request and refuses it or passes it on."""

    def __init__(self, app: ASGIApp, engine: Engine, *, require_login: bool) -> None:
        self._app = app
        self._engine = engine
        self._require_login = require_login
        # A local visitor without users has no session, so the CSRF token is derived from this secret.
        self._local_secret = secret.new()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":  # a start or a stop of the server; there are no web sockets
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            receive = await self._authenticate(request, receive)
        except RefusedError as refused:
            await _refusal(request, refused)(scope, receive, send)
        except SQLAlchemyError:
            await problem(request, 503, NO_DATABASE)(scope, receive, send)
        else:
            try:
                await self._app(scope, receive, self._watch(request, send))
            except* _StreamEndedError:
                pass

    async def _authenticate(self, request: Request, receive: Receive) -> Receive:
        if not has_valid_host(request):
            raise RefusedError(400, "the Host header is not a host; send the one of the address")
        changes = request.method not in SAFE_METHODS
        if changes and is_cross_site(request):
            raise RefusedError(403, "this request comes from a page of another site; use the base station's own pages")
        if _is_open(request):
            request.state.auth = RequestAuth(None, secret.derive(self._local_secret, "csrf"), None)
        else:
            request.state.auth = await run_in_threadpool(self._identify, request)
        if changes and _bearer_token(request) is None:
            return await check_csrf_token(request, receive)
        return receive

    def _watch(self, request: Request, send: Send) -> Send:
        """Return a `send` that forbids caching, and that ends a stream when its reader is no longer authenticated."""
        checked_s = time.monotonic()

        async def watched(message: Message) -> None:
            nonlocal checked_s
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Cache-Control", "no-store")
            elif message.get("more_body") and time.monotonic() - checked_s > RECHECK_EVERY_S:
                checked_s = time.monotonic()
                try:
                    await run_in_threadpool(self._identify, request)
                except (RefusedError, SQLAlchemyError) as error:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    raise _StreamEndedError from error
            await send(message)

        return send if _is_open(request) else watched

    def _identify(self, request: Request) -> RequestAuth:
        now = datetime.now(UTC)
        if (token := _bearer_token(request)) is not None:
            if principal := tokens.find(self._engine, token, now):
                return RequestAuth(principal, "", None)
            raise RefusedError(401, "this token is not valid; make one with `anura-base token add NAME --role view`")
        if (key := session_key(request)) and (principal := sessions.find(self._engine, key, now)):
            return RequestAuth(principal, secret.derive(key, "csrf"), key)
        with self._engine.connect() as connection:
            if self._require_login or accounts.has_users(connection):
                raise RefusedError(401, "log in, or send a token: `Authorization: Bearer ...`")
        return self._identify_local(request)

    def _identify_local(self, request: Request) -> RequestAuth:
        if is_proxied(request):
            raise RefusedError(403, "requests through a proxy need a login: set web.trusted_proxies and add a user")
        if not has_local_host(request):
            raise RefusedError(403, "without users the base station accepts only 127.0.0.1 and localhost; add a user")
        return RequestAuth(LOCAL_ADMIN, secret.derive(self._local_secret, "csrf"), None)


def _refusal(request: Request, refused: RefusedError) -> Response:
    wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if refused.status == 401 and wants_page:
        requested = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{root_of(request)}/login?next={quote(requested, safe='/')}", 303)
    answer = problem(request, refused.status, refused.detail)
    if refused.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _is_open(request: Request) -> bool:
    path = path_of(request)
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _bearer_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
