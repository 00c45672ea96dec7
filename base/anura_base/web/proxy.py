"""The path below which a reverse proxy serves the base station, as in https://example.org/frogs/."""

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

PATH_PREFIX = r"(/[A-Za-z0-9._~-]{1,100}){0,5}"
"""Pattern of a prefix. It begins with a slash and does not end with one."""


class ProxyPrefix:
    """ASGI middleware that sets `root_path`, to which all links are relative.

    The prefix is `X-Forwarded-Prefix` of a trusted proxy, or else the one of the settings. The proxy may remove it from
    the path of the request or leave it there.
    """

    def __init__(self, app: ASGIApp, prefix: str, trusted_proxies: Sequence[str]) -> None:
        self._app = app
        self._prefix = prefix
        self._trusted = [ip_network(each) for each in trusted_proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "http" and (prefix := self._prefix_of(scope)):
            path = scope["path"]
            inside = path if path.startswith(f"{prefix}/") else f"{prefix}/" if path == prefix else prefix + path
            scope = {**scope, "root_path": prefix, "path": inside}
        await self._app(scope, receive, send)

    def _prefix_of(self, scope: Scope) -> str:
        sent = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
        return sent if sent and self._trusts(scope) and re.fullmatch(PATH_PREFIX, sent) else self._prefix

    def _trusts(self, scope: Scope) -> bool:
        try:
            address = ip_address((scope.get("client") or [""])[0])
        except ValueError:
            return False
        return any(address in network for network in self._trusted)
