"""The page Users, for admins. Each change is logged with the name of the admin."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Form, HTTPException
from sqlalchemy import Connection, Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access import accounts, invitations
from anura_base.access.roles import Principal, Role
from anura_base.alerts.alert import printable
from anura_base.db.engine import write_transaction
from anura_base.web.auth.visitor import Admin
from anura_base.web.layout import page
from anura_base.web.state import Database
from anura_base.web.templating import root_of
from anura_edge.errors import ConfigError

log = logging.getLogger(__name__)

T = TypeVar("T")

router = APIRouter()


@router.get("/users", response_class=HTMLResponse)
def users_page(request: Request, engine: Database, _admin: Admin) -> HTMLResponse:
    """Show all users and the unused links."""
    return _page(request, engine)


@router.post("/users/add")
def add(
    request: Request,
    engine: Database,
    admin: Admin,
    name: Annotated[str, Form(max_length=64)],
    role: Annotated[Role, Form()],
) -> HTMLResponse:
    """Make a link for a new user and show it."""

    def invite(connection: Connection) -> str:
        return invitations.invite_user(connection, name, role, admin.name, datetime.now(UTC))

    key = _change(engine, admin, f"made a link for the new user {name} with the role {role}", invite)
    return _page_with_link(request, engine, name, key)


@router.post("/users/{name}/link")
def link(request: Request, engine: Database, admin: Admin, name: str) -> HTMLResponse:
    """Make a link for a new password and show it."""

    def invite(connection: Connection) -> str:
        return invitations.invite_to_reset(connection, name, admin.name, datetime.now(UTC))

    return _page_with_link(request, engine, name, _change(engine, admin, f"made a link for {name}", invite))


@router.post("/users/{name}/role")
def role(
    request: Request, engine: Database, admin: Admin, name: str, role: Annotated[Role, Form()]
) -> RedirectResponse:
    """Change the role of a user."""
    text = f"gave {name} the role {role}"
    _change(engine, admin, text, lambda connection: accounts.change_role(connection, name, role))
    return _redirect(request)


@router.post("/users/{name}/disable")
def disable(request: Request, engine: Database, admin: Admin, name: str) -> RedirectResponse:
    """Disable a user."""
    now = datetime.now(UTC)
    _change(engine, admin, f"disabled {name}", lambda connection: accounts.disable_user(connection, name, now))
    return _redirect(request)


@router.post("/users/{name}/enable")
def enable(request: Request, engine: Database, admin: Admin, name: str) -> RedirectResponse:
    """Enable a user."""
    _change(engine, admin, f"enabled {name}", lambda connection: accounts.enable_user(connection, name))
    return _redirect(request)


@router.post("/users/{name}/end-sessions")
def end_sessions(request: Request, engine: Database, admin: Admin, name: str) -> RedirectResponse:
    """End all sessions of a user."""
    text = f"ended the sessions of {name}"
    _change(engine, admin, text, lambda connection: accounts.end_sessions(connection, name))
    return _redirect(request)


@router.post("/users/{name}/withdraw")
def withdraw(request: Request, engine: Database, admin: Admin, name: str) -> RedirectResponse:
    """Delete the link for a user."""
    text = f"withdrew the link for {name}"
    _change(engine, admin, text, lambda connection: invitations.withdraw(connection, name))
    return _redirect(request)


def _page(request: Request, engine: Engine, link: dict[str, str] | None = None) -> HTMLResponse:
    with engine.connect() as connection:
        users = accounts.list_users(connection)
        invited = invitations.list_valid(connection, datetime.now(UTC))
    days = invitations.VALID_FOR.days
    return page(request, "users.html", users=users, invited=invited, roles=[*Role], days=days, link=link)


def _page_with_link(request: Request, engine: Engine, name: str, key: str) -> HTMLResponse:
    address = f"{request.base_url}invitation?{urlencode({'key': key})}"
    # Shown in the answer itself and not under an address of its own, so that no history contains it.
    return _page(request, engine, {"name": name, "address": address})


def _change(engine: Engine, admin: Principal, text: str, change: Callable[[Connection], T]) -> T:
    """Run a change in a transaction and log it.

    Raises HTTPException (409) if the change is not possible.
    """
    try:
        with write_transaction(engine) as connection:
            result = change(connection)
    except ConfigError as error:
        raise HTTPException(409, str(error)) from error
    log.info("%s %s", admin.name, printable(text))
    return result


def _redirect(request: Request) -> RedirectResponse:
    return RedirectResponse(f"{root_of(request)}/users", 303)
