"""Who sends a request, and which role a route needs.

A route states its role by a parameter or by a dependency of its router:

    @router.post("/calls/{id}/verdict")
    def review(reviewer: Reviewer) -> ...

    router = APIRouter(dependencies=[NEEDS_VIEWER])

The parameter is a `Principal` with a name and a role. Every form that changes something has a hidden field
`csrf_token`, and every such request of a script has a header `X-CSRF-Token`. Their value is `csrf_token(request)`. The
middleware checks it before the route runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException
from starlette.requests import Request

from anura_base.access.roles import Principal, Role


@dataclass(frozen=True, slots=True)
class RequestAuth:
    """Result of the authentication of a request."""

    principal: Principal | None
    """None on the paths that need no login."""
    csrf_token: str
    session: str | None
    """The secret of the session, if the request has one."""


def request_auth(request: Request) -> RequestAuth:
    """Return the result of the middleware for a request."""
    found = request.state.auth
    assert isinstance(found, RequestAuth)  # noqa: S101  (the middleware runs before every route)
    return found


def csrf_token(request: Request) -> str:
    """Return the CSRF token for forms (`csrf_token`) and scripts (`X-CSRF-Token`)."""
    return request_auth(request).csrf_token


def logout_token(request: Request) -> str | None:
    """Return the CSRF token for the logout form, or None if there is no session."""
    return csrf_token(request) if request_auth(request).session is not None else None


def require(role: Role) -> Callable[[Request], Principal]:
    """Return a dependency that refuses a principal without this role."""

    def principal(request: Request) -> Principal:
        found = request_auth(request).principal
        if found is None:
            raise HTTPException(401, "log in first")
        if not found.role.allows(role):
            raise HTTPException(
                403, f"{found.name} has the role {found.role}; this needs {role}: ask an admin of this base station"
            )
        return found

    return principal


Viewer = Annotated[Principal, Depends(require(Role.VIEW))]
Reviewer = Annotated[Principal, Depends(require(Role.REVIEW))]
Admin = Annotated[Principal, Depends(require(Role.ADMIN))]

NEEDS_VIEWER = Depends(require(Role.VIEW))
"""Dependency for a router whose routes do not use the viewer's name."""
