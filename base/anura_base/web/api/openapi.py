"""The OpenAPI document at /api/openapi.json. It describes the routes below /api; every answer has a schema."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from anura_base.web.problems import MEDIA_TYPE, Problem

PROBLEMS = {
    401: "There is no login and no valid token.",
    403: "The role does not allow this, or the request came from a page of another site.",
    422: "A parameter is not valid.",
    503: "The database does not answer.",
}


def set_openapi(app: FastAPI) -> None:
    """Replace the application's OpenAPI document, as the documentation of FastAPI describes it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    document["paths"] = {path: item for path, item in document["paths"].items() if path.startswith("/api/")}
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{}, {"token": []}]
    schema = {"$ref": "#/components/schemas/Problem"}
    problems = {
        str(status): {"description": text, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status, text in PROBLEMS.items()
    }
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"] |= problems
    return document
