"""The page on which somebody with a link chooses a password. Nobody is logged in there, so it is open to all."""

import logging
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from anura_base.access import invitations, passwords
from anura_base.db.engine import write_transaction
from anura_base.web.auth import csrf_token
from anura_base.web.templating import render, root_of
from anura_edge.errors import ConfigError

log = logging.getLogger(__name__)


def invitation_routes(engine: Engine) -> APIRouter:
    """Return the routes to choose a password."""
    router = APIRouter()

    def form(request: Request, name: str | None, key: str, said: str, status: int) -> Response:
        shown = {"name": name, "key": key, "said": said, "days": invitations.VALID_FOR.days}
        page = render(
            request, "invitation.html", csrf_token=csrf_token(request), least=passwords.MIN_CHARACTERS, **shown
        )
        return HTMLResponse(page, status, {"Cache-Control": "no-store"})

    @router.get("/invitation")
    def ask(request: Request, key: str = "") -> Response:
        with engine.connect() as connection:
            name = invitations.invited_user(connection, key, datetime.now(UTC))
        return form(request, name, key, "", 200 if name else 404)

    @router.post("/invitation")
    def choose(
        request: Request,
        key: Annotated[str, Form(max_length=200)] = "",
        password: Annotated[str, Form(max_length=1_000)] = "",
        again: Annotated[str, Form(max_length=1_000)] = "",
    ) -> Response:
        now = datetime.now(UTC)
        with engine.connect() as connection:
            name = invitations.invited_user(connection, key, now)
        if name is None:
            return form(request, None, "", "", 404)
        if password != again:
            return form(request, name, key, "These two are not the same.", 422)
        try:
            with write_transaction(engine) as connection:
                name = invitations.accept(connection, key, password, now)
        except ConfigError as error:
            return form(request, name, key, str(error), 422)
        if name is None:  # somebody was quicker
            return form(request, None, "", "", 404)
        log.info("%s has chosen a password", name)
        return RedirectResponse(f"{root_of(request)}/login", 303)

    return router
