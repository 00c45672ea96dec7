"""The page of messages that the base station could not use, with their reasons."""

from typing import Annotated

from fastapi import APIRouter, Form
from sqlalchemy import Connection, delete, select
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access.roles import Role
from anura_base.db.schema import dead_letters
from anura_base.ingest.dead_letters import MAX_DEAD_LETTERS
from anura_base.web.auth.visitor import NEEDS_VIEWER, Admin, Viewer
from anura_base.web.changes import apply_change
from anura_base.web.layout import page
from anura_base.web.state import Database
from anura_base.web.templating import root_of

SHOWN = 200

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/refused", response_class=HTMLResponse)
def refused_page(request: Request, viewer: Viewer, engine: Database) -> HTMLResponse:
    """Show the latest messages that could not be used."""
    with engine.connect() as connection:
        query = select(dead_letters).order_by(dead_letters.c.arrival.desc()).limit(SHOWN)
        letters = connection.execute(query).all()
    values = {"letters": letters, "kept": MAX_DEAD_LETTERS, "may_delete": viewer.role.allows(Role.ADMIN)}
    return page(request, "refused.html", **values)


@router.post("/refused/delete")
def delete_seen(
    request: Request, engine: Database, admin: Admin, upto: Annotated[int, Form(ge=1, lt=1 << 63)]
) -> RedirectResponse:
    """Delete the messages that the visitor has seen: those up to a number."""

    def change(connection: Connection) -> None:
        connection.execute(delete(dead_letters).where(dead_letters.c.arrival <= upto))

    apply_change(engine, admin, "deleted the refused messages", change)
    return RedirectResponse(f"{root_of(request)}/refused", 303)
