"""Who may log in: for admins. What changes something leaves a line in the log, with who did it."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Form, HTTPException
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access import accounts, invitations
from anura_base.access.roles import Principal, Role
from anura_base.alerts.alert import printable
from anura_base.db.engine import write_transaction
from anura_base.web.auth import Admin
from anura_base.web.layout import Frame
from anura_base.web.templating import root_of
from anura_edge.errors import ConfigError

log = logging.getLogger(__name__)

T = TypeVar("T")


def routes(frame: Frame) -> APIRouter:
    """Return the page, and what its buttons do."""
    router = APIRouter()

    def show(request: Request, link: dict[str, str] | None = None) -> HTMLResponse:
        with frame.engine.connect() as connection:
            users = accounts.list_users(connection)
            invited = invitations.list_valid(connection, datetime.now(UTC))
        values = {
            "users": users,
            "invited": invited,
            "roles": [*Role],
            "days": invitations.VALID_FOR.days,
            "link": link,
        }
        return frame.page(request, "users.html", **values)

    def change(who: Principal, said: str, work: Callable[[Connection], T]) -> T:
        try:
            with write_transaction(frame.engine) as connection:
                done = work(connection)
        except ConfigError as error:
            raise HTTPException(409, str(error)) from error
        log.info("%s: %s", who.name, printable(said))
        return done

    def back(request: Request) -> RedirectResponse:
        return RedirectResponse(f"{root_of(request)}/users", 303)

    def give_link(
        request: Request, who: Principal, name: str, said: str, make: Callable[[Connection], str]
    ) -> HTMLResponse:
        key = change(who, said, make)
        address = f"{request.base_url}invitation?{urlencode({'key': key})}"
        # As the answer itself and not on a page of its own: it is shown once, and stands in no history.
        return show(request, {"name": name, "address": address})

    @router.get("/users", response_class=HTMLResponse)
    def page(request: Request, admin: Admin) -> HTMLResponse:  # noqa: ARG001
        return show(request)

    @router.post("/users/add")
    def add(
        request: Request, admin: Admin, name: Annotated[str, Form(max_length=64)], role: Annotated[Role, Form()]
    ) -> HTMLResponse:
        def make(connection: Connection) -> str:
            return invitations.invite_user(connection, name, role, admin.name, datetime.now(UTC))

        return give_link(request, admin, name, f"a link for {name}, who may {role}", make)

    @router.post("/users/{name}/link")
    def link(request: Request, admin: Admin, name: str) -> HTMLResponse:
        def make(connection: Connection) -> str:
            return invitations.invite_to_reset(connection, name, admin.name, datetime.now(UTC))

        return give_link(request, admin, name, f"a link for a new password of {name}", make)

    @router.post("/users/{name}/role")
    def role(request: Request, admin: Admin, name: str, role: Annotated[Role, Form()]) -> RedirectResponse:
        change(admin, f"{name} may {role}", lambda connection: accounts.change_role(connection, name, role))
        return back(request)

    @router.post("/users/{name}/disable")
    def disable(request: Request, admin: Admin, name: str) -> RedirectResponse:
        now = datetime.now(UTC)
        change(admin, f"{name} is disabled", lambda connection: accounts.disable_user(connection, name, now))
        return back(request)

    @router.post("/users/{name}/enable")
    def enable(request: Request, admin: Admin, name: str) -> RedirectResponse:
        change(admin, f"{name} may log in", lambda connection: accounts.enable_user(connection, name))
        return back(request)

    @router.post("/users/{name}/end-sessions")
    def end_sessions(request: Request, admin: Admin, name: str) -> RedirectResponse:
        change(admin, f"the sessions of {name} are over", lambda connection: accounts.end_sessions(connection, name))
        return back(request)

    @router.post("/users/{name}/withdraw")
    def withdraw(request: Request, admin: Admin, name: str) -> RedirectResponse:
        change(admin, f"no link for {name} holds", lambda connection: invitations.withdraw(connection, name))
        return back(request)

    return router
