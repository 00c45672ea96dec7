"""Reviews that people send with a form of the pages Review and Call."""

import re
from uuid import UUID

from fastapi import HTTPException
from sqlalchemy import Connection

from anura_base.analysis import reviews
from anura_edge.events import Verdict

_CODE = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
"""A valid species code, on the wire and in a training set."""


def store_review(
    connection: Connection, event_id: UUID, reviewer: str, verdict: Verdict, text: str, drawn_from: str | None = None
) -> None:
    """Store a review. `text` is the code or the scientific name of the species, for the verdict `relabelled`.

    Raises HTTPException (422) if it is neither.
    """
    label = _label(connection, text.strip()) if verdict is Verdict.RELABELLED else ""
    reviews.add_review(connection, event_id, reviewer, verdict, label, drawn_from)


def _label(connection: Connection, text: str) -> str:
    codes = {name.casefold(): code for code, name in reviews.known_labels(connection) if name}
    label = codes.get(text.casefold(), text)
    if not _CODE.fullmatch(label):
        remedy = "choose one of the list, or use 1 to 32 letters, digits, - or _"
        raise HTTPException(422, f"label: {text[:40]!r} is neither a known species nor a code; {remedy}")
    return label
