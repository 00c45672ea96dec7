"""Parameters that several routes share, and the pages of a list. Its rows have the order of their arrival.

An answer that may be followed by more rows has the address of the next page in its `Link` header (RFC 8288). A program
that follows these links, immediately or later, receives every row exactly once.
"""

from typing import Annotated

from fastapi import Query, Request, Response

MAX_PAGE = 1_000

After = Annotated[int, Query(ge=0, lt=2**63, description="The `arrival` of the last row that you have.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Rows in a page.")]

ConfirmedOnly = Annotated[
    bool, Query(description="Only calls whose species a person confirmed or named. Rejected calls never count.")
]
"""The filter by verdict, which pages, exports and the API share."""


def link_next(request: Request, response: Response, last: int | str) -> None:
    """Set the `Link` header to the page after the row with this `arrival`, or another value that `after` names."""
    response.headers["Link"] = f'<{request.url.include_query_params(after=last)}>; rel="next"'
