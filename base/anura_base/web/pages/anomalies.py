"""What is unlike the nights before."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.analysis import anomaly_rules
from anura_base.analysis.anomalies import find_anomalies
from anura_base.web.auth import Viewer
from anura_base.web.filters import as_date, latest_night
from anura_base.web.layout import Frame

BAR, HIGH = 7, 36
"""Width and height of a night in a small chart."""

NAMES = {
    "silence": "Silence",
    "clipping": "Clipping",
    "rate": "Change of rate",
    "species": "Unexpected species",
    "model": "Change with the model",
}


def routes(frame: Frame) -> APIRouter:
    """Return the page."""
    router = APIRouter()

    @router.get("/anomalies", response_class=HTMLResponse)
    def page(
        request: Request,
        viewer: Viewer,  # noqa: ARG001
        evening: Annotated[str, Query(max_length=20)] = "",
    ) -> HTMLResponse:
        asked = as_date("evening", evening)
        with frame.engine.connect() as connection:
            sites = frame.sites(connection)
            day = asked or latest_night(connection, sites)
            found = find_anomalies(connection, sites, day)
        values = {
            "sites": sites,
            "evening": day,
            "before": day - timedelta(days=1),
            "after": day + timedelta(days=1),
            "found": found,
            "names": NAMES,
            "bars": bars,
            "rules": anomaly_rules,
            "size": (BAR, HIGH),
        }
        return frame.page(request, "anomalies.html", **values)

    return router


def bars(history: Sequence[float | None]) -> list[tuple[int, float | None]]:
    """Return the place and the height of each night's bar; no height where nobody listened."""
    top = max((rate for rate in history if rate), default=0.0)
    return [(BAR * n, None if rate is None else (HIGH * rate / top if top else 0.0)) for n, rate in enumerate(history)]
