"""Where a request comes from: a page of this server, a page of another site, or a program."""

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""

_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-prefix", "x-real-ip", "via")


def has_valid_host(request: Request) -> bool:
    """Return whether the Host header is a host with or without a port. Addresses of links are made from it."""
    try:
        parts = urlsplit(f"//{request.headers.get('host', '')}")
        _ = parts.port  # raises ValueError if it is no number
    except ValueError:
        return False
    return parts.netloc == request.headers.get("host", "")


def is_cross_site(request: Request) -> bool:
    """Return whether a browser sends this request for a page of another site.

    Browsers state this in Sec-Fetch-Site, older ones only in Origin. A page cannot change these headers.
    """
    if site := request.headers.get("sec-fetch-site"):
        return site not in {"same-origin", "none"}
    if origin := request.headers.get("origin"):
        return origin.partition("://")[2] != request.headers.get("host")
    return False


def has_local_host(request: Request) -> bool:
    """Return whether the Host header names this computer: localhost or a loopback address.

    Without this check, a page on the internet could resolve its own name to 127.0.0.1 (DNS rebinding).
    """
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_proxied(request: Request) -> bool:
    """Return whether a proxy passed the request on. Then its sender may be on another computer."""
    return any(header in request.headers for header in _PROXY_HEADERS)
