"""The page Alerts: rules, and their alerts with a filter and acknowledgement."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access.roles import Role
from anura_base.alerts import history
from anura_base.alerts.history import AlertView
from anura_base.analysis.stored_settings import alerts_in_force
from anura_base.config.alerts import AlertSettings
from anura_base.web.auth.visitor import NEEDS_VIEWER, Reviewer, Viewer
from anura_base.web.changes import apply_change
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, from_state, sorted_sites
from anura_base.web.templating import root_of

router = APIRouter(dependencies=[NEEDS_VIEWER])


class AlertFilter(StrEnum):
    """Which alerts are shown."""

    ALL = "all"
    ACTIVE = "active"
    """Their condition holds."""
    NEW = "not acknowledged"


@router.get("/alerts", response_class=HTMLResponse)
def alerts_page(
    request: Request, viewer: Viewer, engine: Database, configured_sites: ConfiguredSites,
    alerts: Annotated[AlertSettings, from_state("alerts")],
    state: AlertFilter = AlertFilter.ALL, rule: Annotated[str, Query(max_length=100)] = "",
) -> HTMLResponse:  # fmt: skip
    """AlertFilter the rules and the latest alerts."""
    with engine.connect() as connection:
        latest = history.latest(connection)
        sites = sorted_sites(connection, configured_sites)
        in_force = alerts_in_force(connection, alerts)
    values = {
        "alerts": [view for view in latest if _is_shown(view, state, rule)],
        "any_alerts": bool(latest),
        "rules": history.rule_views(in_force, latest),
        "rule_names": sorted({view.rule for view in latest} | {*in_force.rules}),
        "sites": sites,
        "state": state,
        "states": [*AlertFilter],
        "rule": rule,
        "may_acknowledge": viewer.role.allows(Role.REVIEW),
    }
    return page(request, "alerts.html", **values)


@router.post("/alerts/{arrival}/acknowledge")
def acknowledge(
    request: Request, engine: Database, reviewer: Reviewer, arrival: Annotated[int, Path(ge=1, lt=1 << 63)]
) -> RedirectResponse:
    """Store that the visitor has seen an alert."""
    now, text = datetime.now(UTC), f"acknowledged the alert {arrival}"
    apply_change(
        engine, reviewer, text, lambda connection: history.acknowledge(connection, arrival, reviewer.name, now)
    )
    return RedirectResponse(f"{root_of(request)}/alerts", 303)


def _is_shown(view: AlertView, state: AlertFilter, rule: str) -> bool:
    wanted = {
        AlertFilter.ALL: True,
        AlertFilter.ACTIVE: view.over_utc is None,
        AlertFilter.NEW: view.acknowledged_utc is None,
    }[state]
    return wanted and rule in {"", view.rule}
