"""Where a request comes from: our own page, another site's page, or a program."""

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing (RFC 9110, section 9.2.1)."""

_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def is_foreign(request: Request) -> bool:
    """Say whether a browser sends this for a page that is not ours.

    A browser says so in Sec-Fetch-Site, an older one only in Origin; no page can make it leave them out or lie.
    """
    if site := request.headers.get("sec-fetch-site"):
        return site not in {"same-origin", "none"}
    if origin := request.headers.get("origin"):
        return urlsplit(origin).netloc != request.headers.get("host")
    return False


def names_this_machine(request: Request) -> bool:
    """Say whether the address in the browser is this machine's own.

    Else a page on the internet could make its own name point to 127.0.0.1, and would count as ours (DNS rebinding).
    """
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def came_through_a_proxy(request: Request) -> bool:
    """Say whether something passed this on: then the one who asks need not be at this machine."""
    return any(header in request.headers for header in _PROXY_HEADERS)
