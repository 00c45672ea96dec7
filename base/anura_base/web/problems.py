"""Error answers: a page for browsers, problem details (RFC 9457) for programs."""

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

NO_DATABASE = "the database does not answer; try again, or read the log of the base station"


class Problem(BaseModel):
    """Problem details. There is no `type`, so the HTTP status defines the problem."""

    title: str
    status: int
    detail: str
    """The reason and the remedy."""


def problem(request: Request, status: int, detail: str) -> Response:
    """Return an error answer."""
    content = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(render(request, "problem.html", problem=content), status)
    return JSONResponse(content.model_dump(), status, media_type=MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Make an application answer every error with `problem`."""
    app.add_exception_handler(SQLAlchemyError, _database_error)
    app.add_exception_handler(AnyHTTPException, _http_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AnyHTTPException)  # noqa: S101  (registered for this class only)
    answer = problem(request, error.status_code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (registered for this class only)
    first = error.errors()[0]
    return problem(request, 422, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")


def _database_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, SQLAlchemyError)  # noqa: S101  (registered for this class only)
    log.warning("cannot read the database: %s", root_cause(error))
    return problem(request, 503, NO_DATABASE)
