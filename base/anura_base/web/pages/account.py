"""The page on which users change their own password and end their other sessions."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from anura_base.access import accounts, passwords, sessions
from anura_base.access.roles import Principal
from anura_base.web.auth.cookies import set_session
from anura_base.web.auth.login import LoginService, client_network
from anura_base.web.auth.visitor import Viewer, request_auth
from anura_base.web.changes import apply_change
from anura_base.web.layout import page
from anura_base.web.state import Database, from_state
from anura_base.web.templating import root_of
from anura_edge.errors import ConfigError

router = APIRouter()


@router.get("/account", response_class=HTMLResponse)
def account_page(request: Request, viewer: Viewer, changed: bool = False) -> HTMLResponse:
    """Show name and role of the user, and the form for a new password."""
    return _form(request, viewer, changed=changed)


@router.post("/account/password")
def change_password(
    request: Request,
    viewer: Viewer,
    engine: Database,
    login: Annotated[LoginService, from_state("login")],
    old: Annotated[str, Form(max_length=1_000)] = "",
    password: Annotated[str, Form(max_length=1_000)] = "",
    again: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Change the password. All other sessions of the user end."""
    if request_auth(request).session is None:
        raise HTTPException(403, "only a user who is logged in has a password; log in first")
    if not login.is_password(viewer.name, old, client_network(request)):
        return _form(request, viewer, "The present password is wrong.")
    if password != again:
        return _form(request, viewer, "The two new passwords differ.")

    def change(connection: Connection) -> str:
        accounts.change_password(connection, viewer.name, password)
        return sessions.start(connection, viewer.name, datetime.now(UTC))

    try:
        passwords.check_length(password)
    except ConfigError as error:
        return _form(request, viewer, str(error))
    key = apply_change(engine, viewer, "changed the own password", change)
    answer = RedirectResponse(f"{root_of(request)}/account?changed=true", 303)
    set_session(request, answer, key)
    return answer


def _form(request: Request, viewer: Principal, error: str = "", *, changed: bool = False) -> HTMLResponse:
    answer = page(
        request,
        "account.html",
        error=error,
        changed=changed,
        role=viewer.role,
        has_password=request_auth(request).session is not None,
        min_characters=passwords.MIN_CHARACTERS,
    )
    answer.status_code = 422 if error else 200
    return answer
