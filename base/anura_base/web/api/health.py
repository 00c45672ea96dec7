"""Health check for a supervisor or a load balancer. It needs no login."""

from typing import Annotated

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from anura_base.db.engine import check_writable
from anura_base.web.state import BrokerStatus, Database, IngestStatus, from_state

router = APIRouter()


@router.get("/healthz")
def health(
    engine: Database,
    ingest: Annotated[IngestStatus, from_state("ingest")],
    broker: Annotated[BrokerStatus, from_state("broker")],
) -> Response:
    """Return 200 if the broker is connected and the database can be written, else 503."""
    state = {"subscriber": broker.connected, "database": ingest.healthy and _is_writable(engine)}
    return JSONResponse(state, status_code=200 if all(state.values()) else 503)


def _is_writable(engine: Engine) -> bool:
    try:
        check_writable(engine)
    except SQLAlchemyError:
        return False
    return True
