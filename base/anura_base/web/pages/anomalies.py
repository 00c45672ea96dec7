"""The page Anomalies: differences between a night and the nights before it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.analysis import anomaly_rules
from anura_base.analysis.anomalies import find_anomalies
from anura_base.analysis.known_nights import latest_night
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.filters import parse_date
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, sorted_sites

BAR_WIDTH, BAR_HEIGHT = 7, 36
"""Size of the bar of one night, in pixels."""

TITLES = {
    "silence": "Silence",
    "level": "Low level",
    "clipping": "Clipping",
    "rate": "Change of rate",
    "species": "Unexpected species",
    "model": "Change with the model",
}

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/anomalies", response_class=HTMLResponse)
def anomalies_page(
    request: Request,
    engine: Database,
    configured_sites: ConfiguredSites,
    evening: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """Show the anomalies of a night, by default the latest one."""
    requested = parse_date("evening", evening)
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
        night = requested or latest_night(connection, sites)
        anomalies = find_anomalies(connection, sites, night)
    values = {
        "sites": sites,
        "night": night,
        "before": night - timedelta(days=1),
        "after": night + timedelta(days=1),
        "anomalies": anomalies,
        "titles": TITLES,
        "bars": bars,
        "rules": anomaly_rules,
        "size": (BAR_WIDTH, BAR_HEIGHT),
    }
    return page(request, "anomalies.html", **values)


def bars(rates: Sequence[float | None]) -> list[tuple[int, float | None]]:
    """Return position and height of the bar of each night, in pixels. The height of a night without effort is None."""
    top = max((rate for rate in rates if rate), default=0.0)
    heights = (None if rate is None else (BAR_HEIGHT * rate / top if top else 0.0) for rate in rates)
    return [(BAR_WIDTH * number, height) for number, height in enumerate(heights)]
