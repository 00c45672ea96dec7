"""The page of messages that the base station could not use, with their reasons."""

from typing import Annotated

from fastapi import APIRouter, Form, Query
from sqlalchemy import Connection, delete
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access.roles import Role
from anura_base.db.schema import dead_letters
from anura_base.ingest.dead_letters import MAX_DEAD_LETTERS
from anura_base.ingest.refused_messages import refused_groups, try_again
from anura_base.web.auth.visitor import NEEDS_VIEWER, Admin, Viewer
from anura_base.web.changes import apply_change
from anura_base.web.layout import page
from anura_base.web.state import Database
from anura_base.web.templating import root_of

SHOWN = 200

Upto = Annotated[int, Form(ge=1, lt=1 << 63)]

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/refused", response_class=HTMLResponse)
def refused_page(
    request: Request,
    viewer: Viewer,
    engine: Database,
    tried: Annotated[int | None, Query(ge=0)] = None,
    refused: Annotated[int, Query(ge=0)] = 0,
) -> HTMLResponse:
    """Show the messages that could not be used, by reason, and what the last attempt to use them gave."""
    with engine.connect() as connection:
        groups = refused_groups(connection, SHOWN)
    values = {
        "groups": groups,
        "kept": MAX_DEAD_LETTERS,
        "may_change": viewer.role.allows(Role.ADMIN),
        "tried": tried,
        "refused": refused,
    }
    return page(request, "refused.html", **values)


@router.post("/refused/retry")
def retry(request: Request, engine: Database, admin: Admin, upto: Upto) -> RedirectResponse:
    """Try to use the messages again that the visitor has seen: those up to a number."""
    tried, refused = apply_change(
        engine, admin, "tried the refused messages again", lambda connection: try_again(connection, upto)
    )
    return RedirectResponse(f"{root_of(request)}/refused?tried={tried}&refused={refused}", 303)


@router.post("/refused/delete")
def delete_seen(request: Request, engine: Database, admin: Admin, upto: Upto) -> RedirectResponse:
    """Delete the messages that the visitor has seen: those up to a number."""

    def change(connection: Connection) -> None:
        connection.execute(delete(dead_letters).where(dead_letters.c.arrival <= upto))

    apply_change(engine, admin, "deleted the refused messages", change)
    return RedirectResponse(f"{root_of(request)}/refused", 303)
