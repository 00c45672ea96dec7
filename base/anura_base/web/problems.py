"""How the web server says that it cannot: a page for people, problem details (RFC 9457) for programs."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from anura_base.db.engine import root_cause
from anura_base.web.templating import render

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Problem details. `type` is left out, which means that the status says it all."""

    title: str
    status: int
    detail: str
    """What is wrong, and what helps."""


def problem(request: Request, status: int, detail: str) -> Response:
    """Answer that something cannot be done."""
    said = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(render(request, "problem.html", problem=said), status)
    return JSONResponse(said.model_dump(), status, media_type=MEDIA_TYPE)


def answer_problems(app: FastAPI) -> None:
    """Let an application say each of its refusals so."""

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, AnyHTTPException)  # noqa: S101  (it is registered for these alone)
        answer = problem(request, error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  (likewise)
        first = error.errors()[0]
        return problem(request, 422, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")

    def no_database(request: Request, error: Exception) -> Response:
        assert isinstance(error, SQLAlchemyError)  # noqa: S101  (likewise)
        log.warning("cannot read: %s", root_cause(error))
        return problem(request, 503, "the database does not answer; try again, or look at the station's log")

    app.add_exception_handler(SQLAlchemyError, no_database)
    app.add_exception_handler(AnyHTTPException, refused)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
