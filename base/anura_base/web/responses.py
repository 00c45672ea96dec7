"""Rules for every answer: HEAD works like GET without a body, and an answer over TLS asks the browser to stay with TLS.

FastAPI's routes answer 405 to HEAD, although every page must support it (RFC 9110, section 9.1).
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STRICT_TRANSPORT_SECURITY = "max-age=31536000"
"""For a year the browser uses TLS for this host (RFC 6797). It ignores this if it does not trust the certificate."""


class _HeadAnsweredError(OSError):
    """The answer to a HEAD request is complete. As an OSError it looks like a closed connection to the route."""


class ResponseRules:
    """ASGI middleware for HEAD and for Strict-Transport-Security."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"

        async def ruled(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["scheme"] == "https":
                MutableHeaders(scope=message)["Strict-Transport-Security"] = STRICT_TRANSPORT_SECURITY
            await send(message)
            if is_head and message["type"] == "http.response.start":
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                raise _HeadAnsweredError  # a stream would never end

        try:
            await self._app({**scope, "method": "GET"} if is_head else scope, receive, ruled)
        except* _HeadAnsweredError:
            pass
