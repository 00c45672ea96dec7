"""The page Users, for admins. The audit log has each change with the name of the admin."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query
from sqlalchemy import Connection, Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access import accounts, audit, invitations
from anura_base.access.roles import Role
from anura_base.web.auth.visitor import Admin
from anura_base.web.changes import apply_change
from anura_base.web.layout import page
from anura_base.web.state import Database
from anura_base.web.templating import root_of

AUDIT_ENTRIES = 200
"""Entries of the audit log on one page."""

router = APIRouter()


@router.get("/users", response_class=HTMLResponse)
def users_page(request: Request, engine: Database, _admin: Admin) -> HTMLResponse:
    """Show all users and the unused links."""
    return _page(request, engine)


@router.get("/audit", response_class=HTMLResponse)
def audit_page(
    request: Request, engine: Database, _admin: Admin, before: Annotated[int | None, Query(ge=1, lt=1 << 63)] = None
) -> HTMLResponse:
    """Show who changed what, the newest first."""
    with engine.connect() as connection:
        entries = audit.latest(connection, AUDIT_ENTRIES, before)
    return page(request, "audit.html", entries=entries, is_full=len(entries) == AUDIT_ENTRIES)


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

    key = apply_change(engine, admin, f"made a link for the new user {name} with the role {role}", invite)
    return _page_with_link(request, engine, name, key)


@router.post("/users/{name}/link")
def link(request: Request, engine: Database, admin: Admin, name: str) -> HTMLResponse:
    """Make a link for a new password and show it."""

    def invite(connection: Connection) -> str:
        return invitations.invite_to_reset(connection, name, admin.name, datetime.now(UTC))

    return _page_with_link(request, engine, name, apply_change(engine, admin, f"made a link for {name}", invite))


@router.post("/users/{name}/role")
def role(
    request: Request, engine: Database, admin: Admin, name: str, role: Annotated[Role, Form()]
) -> RedirectResponse:
    """Change the role of a user."""
    text = f"gave {name} the role {role}"
    apply_change(engine, admin, text, lambda connection: accounts.change_role(connection, name, role))
    return _redirect(request)


@router.post("/users/{name}/disable")
def disable(request: Request, engine: Database, admin: Admin, name: str) -> RedirectResponse:
    """Disable a user."""
    now = datetime.now(UTC)
    apply_change(engine, admin, f"disabled {name}", lambda connection: accounts.disable_user(connection, name, now))
    return _redirect(request)


@router.post("/users/{name}/enable")
def enable(request: Request, engine: Database, admin: Admin, name: str) -> RedirectResponse:
    """Enable a user."""
    apply_change(engine, admin, f"enabled {name}", lambda connection: accounts.enable_user(connection, name))
    return _redirect(request)


@router.post("/users/{name}/end-sessions")
def end_sessions(request: Request, engine: Database, admin: Admin, name: str) -> RedirectResponse:
    """End all sessions of a user."""
    text = f"ended the sessions of {name}"
    apply_change(engine, admin, text, lambda connection: accounts.end_sessions(connection, name))
    return _redirect(request)


@router.post("/users/{name}/withdraw")
def withdraw(request: Request, engine: Database, admin: Admin, name: str) -> RedirectResponse:
    """Delete the link for a user."""
    text = f"withdrew the link for {name}"
    apply_change(engine, admin, text, lambda connection: invitations.withdraw(connection, name))
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


def _redirect(request: Request) -> RedirectResponse:
    return RedirectResponse(f"{root_of(request)}/users", 303)
