"""Parameters of the address: an unknown one is refused, because a filter that is ignored gives wrong numbers."""

from collections.abc import Iterator

from fastapi import HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute


def check_parameters(request: Request) -> None:
    """Raise HTTPException (422) for a parameter that the route does not have. It is a dependency of every route."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = set(_names(route.dependant))
    for name in request.query_params:
        if name not in known:
            choice = f"the parameters are: {', '.join(sorted(known))}" if known else "there are none"
            raise HTTPException(422, f"{name[:60]!r} is not a parameter of {route.path}; {choice}")


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for each in dependant.dependencies:
        yield from _names(each)
