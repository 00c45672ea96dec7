"""Changes that people make on the pages: each is one transaction, with an entry in the audit log."""

import logging
from collections.abc import Callable
from typing import TypeVar

from fastapi import HTTPException
from sqlalchemy import Connection, Engine

from anura_base.access import audit
from anura_base.access.roles import Principal
from anura_base.alerts.alert import printable
from anura_base.db.engine import write_transaction
from anura_edge.errors import ConfigError

log = logging.getLogger(__name__)

T = TypeVar("T")


def apply_change(
    engine: Engine, who: Principal, text: str, change: Callable[[Connection], T], *, refused_status: int = 409
) -> T:
    """Run a change and record it as `text`, which follows the name of the person.

    Raises HTTPException (`refused_status`) if the change is not possible.
    """
    text = printable(text)
    try:
        with write_transaction(engine) as connection:
            result = change(connection)
            audit.record(connection, who.name, text)
    except ConfigError as error:
        raise HTTPException(refused_status, str(error)) from error
    log.info("%s %s", who.name, text)
    return result
