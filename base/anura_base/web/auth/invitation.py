"""The page of an invitation link, on which a person chooses a password. It needs no login."""

import logging
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from anura_base.access import invitations, passwords
from anura_base.db.engine import write_transaction
from anura_base.web.auth.visitor import csrf_token
from anura_base.web.state import Database
from anura_base.web.templating import render, root_of
from anura_edge.errors import ConfigError

log = logging.getLogger(__name__)

router = APIRouter()


@router.get("/invitation")
def invitation_page(request: Request, engine: Database, key: str = "") -> Response:
    """Show the form for a password."""
    with engine.connect() as connection:
        name = invitations.invited_user(connection, key, datetime.now(UTC))
    return _form(request, name, key) if name else _invalid_link(request)


@router.post("/invitation")
def set_password(
    request: Request,
    engine: Database,
    key: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1_000)] = "",
    again: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Set the password of the invited user."""
    now = datetime.now(UTC)
    with engine.connect() as connection:
        name = invitations.invited_user(connection, key, now)
    if name is None:
        return _invalid_link(request)
    if password != again:
        return _form(request, name, key, "The two passwords differ.")
    try:
        with write_transaction(engine) as connection:
            name = invitations.accept(connection, key, password, now)
    except ConfigError as error:
        return _form(request, name, key, str(error))
    if name is None:  # another request used the link in the meantime
        return _invalid_link(request)
    log.info("%s has chosen a password", name)
    return RedirectResponse(f"{root_of(request)}/login", 303)


def _form(request: Request, name: str | None, key: str, error: str = "", status: int | None = None) -> Response:
    page = render(
        request,
        "invitation.html",
        csrf_token=csrf_token(request),
        name=name,
        key=key,
        error=error,
        min_characters=passwords.MIN_CHARACTERS,
        days=invitations.VALID_FOR.days,
    )
    return HTMLResponse(page, status or (422 if error else 200), {"Cache-Control": "no-store"})


def _invalid_link(request: Request) -> Response:
    return _form(request, None, "", status=404)
