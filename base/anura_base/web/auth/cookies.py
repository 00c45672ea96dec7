"""The session cookie."""

from starlette.requests import Request
from starlette.responses import Response

from anura_base.access import sessions

COOKIE = "anura"
SECURE_COOKIE = "__Host-anura"
"""A browser accepts a cookie with this prefix only from the host itself, over TLS (RFC 6265bis, section 4.1.3.2)."""


def session_key(request: Request) -> str | None:
    """Return the session's secret from the cookie."""
    return request.cookies.get(_name(request))


def set_session(request: Request, response: Response, key: str) -> None:
    """Set the session cookie."""
    response.set_cookie(
        _name(request),
        key,
        max_age=int(sessions.MAX_AGE.total_seconds()),
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def delete_session(request: Request, response: Response) -> None:
    """Delete the session cookie."""
    response.delete_cookie(_name(request), path="/", secure=_is_secure(request), httponly=True)


def _name(request: Request) -> str:
    return SECURE_COOKIE if _is_secure(request) else COOKIE


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"
