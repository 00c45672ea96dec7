"""Limits on the body of a request. They hold before the login and before any route."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anura_base.web.problems import problem
from anura_base.web.templating import path_of

MAX_BODY_BYTES = 100_000
"""Size of a form or another body, except an uploaded recording. It is read into memory before the login is checked."""

MAX_BODY_S = 60.0
"""Time in which such a body must arrive."""


class BodyLimits:
    """ASGI middleware that refuses bodies which are too large or too slow. `uploads` are the paths without limits.

    A form has limits on these paths, too: it is read for its CSRF token.
    """

    def __init__(self, app: ASGIApp, uploads: frozenset[str]) -> None:
        self._app = app
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        request = Request(scope) if scope["type"] == "http" else None
        if request is None or (path_of(request) in self._uploads and not is_form(request)):
            await self._app(scope, receive, send)
            return
        has_started = False

        async def watched_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            _check_length(request)
            await self._app(scope, _limited(receive), watched_send)
        except HTTPException as error:
            if has_started:
                raise
            answer = problem(request, error.status_code, error.detail)
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send)


def is_form(request: Request) -> bool:
    """Return whether the body is a form as browsers send it by default, which may contain the CSRF token."""
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def _check_length(request: Request) -> None:
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared[:20]) > MAX_BODY_BYTES:
        raise _too_large()


def _too_large() -> HTTPException:
    return HTTPException(413, f"a form has at most {MAX_BODY_BYTES} bytes; send less text")


def _limited(receive: Receive) -> Receive:
    """Return a `receive` that raises HTTPException when the body is too large (413) or too slow (408)."""
    left_bytes = MAX_BODY_BYTES
    deadline_s = asyncio.get_running_loop().time() + MAX_BODY_S
    is_complete = False

    async def limited() -> Message:
        nonlocal left_bytes, is_complete
        if is_complete:  # what follows is the end of the connection, which may take hours
            return await receive()
        try:
            async with asyncio.timeout_at(deadline_s):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408, f"the request took longer than {MAX_BODY_S:.0f} s; send it again") from error
        left_bytes -= len(message.get("body", b""))
        is_complete = not message.get("more_body", False)
        if left_bytes < 0:
            raise _too_large()
        return message

    return limited
