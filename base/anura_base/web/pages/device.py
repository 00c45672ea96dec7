"""The page of one device: its state, its weeks, notes about it, and changes that an admin makes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, HTTPException
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access.roles import Role
from anura_base.analysis import device_history
from anura_base.analysis.device_history import MEASURES, WEEKS, NoteKind
from anura_base.analysis.network_status import device_statuses
from anura_base.config.settings import Site
from anura_base.ingest import owners
from anura_base.ingest.messages import DeviceKey
from anura_base.web.auth.visitor import NEEDS_VIEWER, Admin, Reviewer, Viewer
from anura_base.web.changes import apply_change
from anura_base.web.charts import history_chart
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, sorted_sites
from anura_base.web.templating import root_of
from anura_edge.errors import ConfigError
from anura_edge.wire import Name

router = APIRouter(prefix="/network/{site}/{device}", dependencies=[NEEDS_VIEWER])


@dataclass(frozen=True, slots=True)
class MeasureView:
    """A measure with its chart."""

    name: str
    unit: str
    chart: history_chart.HistoryChart


@router.get("", response_class=HTMLResponse)
def device_page(
    request: Request, viewer: Viewer, engine: Database, configured_sites: ConfiguredSites, site: str, device: str
) -> HTMLResponse:
    """Show one device."""
    now, key = datetime.now(UTC), {"site": site, "device": device}
    last = int(now.timestamp() // 3_600)
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
        statuses = device_statuses(connection, sites, DeviceKey(site, device))
        if not statuses:
            raise HTTPException(404, f"there is no device {site}/{device}; see the page Network")
        rows = device_history.read_rows(connection, key, now)
        hours = device_history.read_hours(connection, key, now)
        nights = device_history.read_nights(connection, key, sites[site], now)
        notes = device_history.notes_of(connection, key)
    charts = (
        (each, history_chart.history_chart(device_history.series(hours, each), last - WEEKS * 168 + 1, last))
        for each in MEASURES
    )
    values = {
        "d": statuses[0],
        "rows": rows,
        "sites": sites,
        "measures": [MeasureView(each.name, each.unit, chart) for each, chart in charts if chart],
        "models": list(dict.fromkeys(row.model_sha256[:8] for row in hours)),
        "size": (history_chart.WIDTH, history_chart.HEIGHT),
        "weeks": WEEKS,
        "nights": nights,
        "notes": notes,
        "kinds": [*NoteKind],
        "may_change": viewer.role.allows(Role.ADMIN),
        "may_note": viewer.role.allows(Role.REVIEW),
    }
    return page(request, "device.html", **values)


@router.post("/note")
def note(
    request: Request, engine: Database, reviewer: Reviewer, site: Name, device: Name,
    kind: Annotated[NoteKind, Form()], text: Annotated[str, Form(min_length=1, max_length=2_000)],
) -> RedirectResponse:  # fmt: skip
    """Add a note."""
    key = {"site": site, "device": device}

    def change(connection: Connection) -> None:
        device_history.add_note(connection, key, reviewer.name, kind, text)

    apply_change(engine, reviewer, f"wrote a {kind} entry about {site}/{device}", change)
    return _to_device(request, site, device)


@router.post("/rename")
def rename(
    request: Request, engine: Database, admin: Admin, site: Name, device: Name, name: Annotated[Name, Form()]
) -> RedirectResponse:
    """Rename the device in all its rows."""
    old = DeviceKey(site, device)
    text = f"renamed {site}/{device} to {name}"
    apply_change(engine, admin, text, lambda connection: owners.rename_device(connection, old, name))
    return _to_device(request, site, name)


@router.post("/move")
def move(
    request: Request, engine: Database, configured_sites: ConfiguredSites, admin: Admin, site: Name, device: Name,
    to: Annotated[Name, Form()], since: Annotated[str, Form(max_length=40)] = "",
) -> RedirectResponse:  # fmt: skip
    """Move the device to another site, with the rows from a time on or with all rows."""
    old = DeviceKey(site, device)
    text = f"moved {site}/{device} to {to}" + (f" since {since}" if since else "")

    def change(connection: Connection) -> None:
        zone = sorted_sites(connection, configured_sites).get(site, Site()).zone
        owners.move_device(connection, old, to, _parse_local(since, zone) if since else None)

    apply_change(engine, admin, text, change)
    return _to_device(request, to, device)


@router.post("/retire")
def retire(
    request: Request, engine: Database, admin: Admin, site: Name, device: Name, retired: Annotated[bool, Form()]
) -> RedirectResponse:
    """Take the device out of use, or into use again."""
    text = f"{'retired' if retired else 'took into use'} {site}/{device}"
    moment = datetime.now(UTC) if retired else None
    apply_change(
        engine, admin, text, lambda connection: owners.retire_device(connection, DeviceKey(site, device), moment)
    )
    return _to_device(request, site, device)


@router.post("/remove")
def remove(
    request: Request, engine: Database, admin: Admin, site: Name, device: Name,
    with_rows: Annotated[bool, Form()] = False,
) -> RedirectResponse:  # fmt: skip
    """Remove the device, and its rows if this is stated."""
    text = f"removed {site}/{device}" + (" with its rows" if with_rows else "")

    def change(connection: Connection) -> None:
        owners.remove_device(connection, DeviceKey(site, device), with_rows=with_rows)

    apply_change(engine, admin, text, change)
    return RedirectResponse(f"{root_of(request)}/network", 303)


def _parse_local(text: str, zone: str) -> datetime:
    """Return the moment of a local time at a site, as the field of the form sends it.

    Raises ConfigError if it is not a time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a time; write it as in 2026-05-01T21:30") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))


def _to_device(request: Request, site: str, device: str) -> RedirectResponse:
    return RedirectResponse(f"{root_of(request)}/network/{site}/{device}", 303)
