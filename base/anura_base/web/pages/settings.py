"""The page Settings, for admins: sites, alert rules, retention and tokens.

What the settings file says is shown, and wins. Every change has an entry in the audit log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, get_args
from uuid import uuid4

from fastapi import APIRouter, Depends, Form, HTTPException, Query
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy import Connection, Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access import tokens
from anura_base.access.roles import Principal, Role
from anura_base.alerts.alert_message import AlertMessage
from anura_base.alerts.channels import Channel
from anura_base.analysis.sites import all_sites
from anura_base.analysis.stored_settings import (
    alerts_in_force,
    retention_in_force,
    stored_rules,
    stored_sites,
)
from anura_base.config.alerts import AlertSettings, Rule
from anura_base.config.settings import RetentionSettings, Site
from anura_base.db.page_settings import write_setting
from anura_base.web.auth.visitor import Admin
from anura_base.web.changes import apply_change
from anura_base.web.forms import explain, fields_of, values_of
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, from_state
from anura_base.web.templating import root_of
from anura_edge.errors import DeliveryError
from anura_edge.wire import Name

RULES: Mapping[str, type[BaseModel]] = {
    get_args(kind.model_fields["when"].annotation)[0]: kind for kind in get_args(get_args(Rule)[0])
}
"""The types of rules by the value of `when`."""

_RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
_WHEN = frozenset({"when"})
_NONE: frozenset[str] = frozenset()

Alerts = Annotated[AlertSettings, from_state("alerts")]
Retention = Annotated[RetentionSettings, from_state("retention")]
Channels = Annotated[Mapping[str, Channel], from_state("channels")]


async def _form_texts(request: Request) -> dict[str, str]:
    """Return the fields of a form whose names are not known before: those of a section."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


Texts = Annotated[dict[str, str], Depends(_form_texts)]

router = APIRouter(prefix="/settings")


@dataclass(frozen=True, slots=True)
class ChannelResult:
    """What a channel did with a test message."""

    channel: str
    error: str
    """Empty if the receiver has the message."""


@router.get("", response_class=HTMLResponse)
def settings_page(
    request: Request, engine: Database, _admin: Admin, sites: ConfiguredSites, alerts: Alerts, retention: Retention
) -> HTMLResponse:
    """Show all settings that can be changed here, and where the others are."""
    return _page(request, engine, sites, alerts, retention)


@router.get("/site", response_class=HTMLResponse)
def site_form(
    request: Request, engine: Database, _admin: Admin, sites: ConfiguredSites, name: Annotated[str, Query()] = ""
) -> HTMLResponse:
    """Show the form of a site."""
    with engine.connect() as connection:
        present = all_sites(connection, sites).get(name, Site())
    return _form(request, "site", name, Site, present.model_dump(exclude_defaults=True), in_file=name in sites)


@router.post("/site")
def save_site(
    request: Request,
    engine: Database,
    admin: Admin,
    sites: ConfiguredSites,
    texts: Texts,
    name: Annotated[Name, Form()],
) -> RedirectResponse:
    """Store a site."""
    values = values_of(Site, texts, _NONE)
    _refuse_if_in_file(name in sites, f"sites.{name}")
    _check(lambda: Site.model_validate(values))
    return _save(request, engine, admin, f"sites.{name}", values, f"changed the site {name}")


@router.get("/rule", response_class=HTMLResponse)
def rule_form(
    request: Request, engine: Database, _admin: Admin, alerts: Alerts,
    name: Annotated[str, Query()] = "", when: Annotated[str, Query()] = "device_silent",
) -> HTMLResponse:  # fmt: skip
    """Show the form of an alert rule."""
    with engine.connect() as connection:
        present = alerts_in_force(connection, alerts).rules.get(name)
    kind = type(present) if present else RULES.get(when)
    if kind is None:
        raise HTTPException(422, f"when: {when!r} is no type of rule; the types are {', '.join(RULES)}")
    values = present.model_dump(exclude_defaults=True) if present else {}
    when = present.when if present else when
    return _form(request, "rule", name, kind, values, in_file=name in alerts.rules, when=when)


@router.post("/rule")
def save_rule(
    request: Request, engine: Database, admin: Admin, alerts: Alerts, texts: Texts,
    name: Annotated[Name, Form()], when: Annotated[str, Form()],
) -> RedirectResponse:  # fmt: skip
    """Store an alert rule. It holds within seconds."""
    _refuse_if_in_file(name in alerts.rules, f"alerts.rules.{name}")
    if when not in RULES:
        raise HTTPException(422, f"when: {when!r} is no type of rule; the types are {', '.join(RULES)}")
    values = {"when": when, **values_of(RULES[when], texts, _WHEN)}
    rule = _check(lambda: _RULE.validate_python(values))
    _check(lambda: AlertSettings.model_validate({**dict(alerts), "rules": {name: rule}}))
    return _save(request, engine, admin, f"rules.{name}", values, f"changed the alert rule {name}")


@router.post("/rule/{name}/delete")
def delete_rule(request: Request, engine: Database, admin: Admin, name: Name) -> RedirectResponse:
    """Delete an alert rule that was made on this page."""
    with engine.connect() as connection:
        if name not in stored_rules(connection):
            raise HTTPException(
                404, f"there is no rule {name} of this page; a rule of the settings file is deleted there"
            )
    return _save(request, engine, admin, f"rules.{name}", None, f"deleted the alert rule {name}")


@router.post("/rule/{name}/test", response_class=HTMLResponse)
def send_test(
    request: Request, engine: Database, admin: Admin, sites: ConfiguredSites, alerts: Alerts, retention: Retention,
    channels: Channels, name: Name,
) -> HTMLResponse:  # fmt: skip
    """Send a test message through the channels of a rule, and show what they did with it."""
    with engine.connect() as connection:
        in_force = alerts_in_force(connection, alerts)
    if name not in in_force.rules:
        raise HTTPException(404, f"there is no rule {name}")
    now = datetime.now(UTC)
    message = AlertMessage(
        id=f"test-{uuid4()}", rule=name, subject="test", site="", device="", moment_utc=now, fired_utc=now,
        text=f"This is a test of the alert rule {name} by {admin.name}",
    )  # fmt: skip
    results = [_send(channels, channel, message) for channel in in_force.channels_of(name)]
    apply_change(engine, admin, f"tested the alert rule {name}", lambda _: None)
    return _page(request, engine, sites, alerts, retention, tested=name, results=results)


@router.post("/retention")
def save_retention(
    request: Request, engine: Database, admin: Admin, retention: Retention, texts: Texts
) -> RedirectResponse:
    """Store how long rows are kept. Values of the settings file stay."""
    values = values_of(RetentionSettings, texts, frozenset(retention.model_fields_set))
    _check(lambda: RetentionSettings.model_validate(values))
    text = ", ".join(f"{name} {value}" for name, value in values.items()) or "for ever"
    return _save(request, engine, admin, "retention.days", values, f"changed the retention: {text}")


@router.post("/tokens", response_class=HTMLResponse)
def add_token(
    request: Request, engine: Database, admin: Admin, sites: ConfiguredSites, alerts: Alerts, retention: Retention,
    name: Annotated[str, Form(max_length=64)], role: Annotated[Role, Form()],
) -> HTMLResponse:  # fmt: skip
    """Make a token and show it, this time only."""
    text = f"made the token {name} with the role {role}"
    token = apply_change(engine, admin, text, lambda c: tokens.add_token(c, name, role, datetime.now(UTC)))
    return _page(request, engine, sites, alerts, retention, new_token=token, token_name=name)


@router.post("/tokens/{name}/remove")
def remove_token(request: Request, engine: Database, admin: Admin, name: str) -> RedirectResponse:
    """Delete a token. It is invalid immediately."""
    apply_change(engine, admin, f"removed the token {name}", lambda c: tokens.remove_token(c, name))
    return _to_settings(request)


def _page(
    request: Request, engine: Engine, sites: Mapping[str, Site], alerts: AlertSettings, retention: RetentionSettings,
    **more: object,
) -> HTMLResponse:  # fmt: skip
    with engine.connect() as connection:
        in_force = alerts_in_force(connection, alerts)
        values: dict[str, Any] = {
            "sites": dict(sorted(all_sites(connection, sites).items())),
            "sites_of_page": stored_sites(connection),
            "rules": in_force.rules,
            "retention": fields_of(RetentionSettings, retention_in_force(connection, retention).model_dump(), _NONE),
            "tokens": tokens.list_tokens(connection),
        }
    shown = {"tested": "", "results": [], "new_token": "", "token_name": "", **more}
    return page(
        request, "settings.html", **values, **shown, sites_of_file=sites, rules_of_file=alerts.rules, kinds=list(RULES),
        channels={name: in_force.channels_of(name) for name in in_force.rules}, roles=[*Role],
        retention_of_file=retention.model_fields_set,
    )  # fmt: skip


def _form(
    request: Request, what: str, name: str, model: type[BaseModel], values: Mapping[str, Any], *, in_file: bool,
    when: str = "",
) -> HTMLResponse:  # fmt: skip
    fields = fields_of(model, values, _WHEN)
    shown = {"what": what, "name": name, "fields": fields, "in_file": in_file, "when": when, "kinds": list(RULES)}
    return page(request, "setting.html", **shown, about=(model.__doc__ or "").strip().splitlines()[0])


def _check(validate: Any) -> Any:  # noqa: ANN401  (any section)
    try:
        return validate()
    except ValidationError as error:
        raise HTTPException(422, str(explain(error))) from error


def _refuse_if_in_file(in_file: bool, key: str) -> None:
    if in_file:
        raise HTTPException(409, f"{key} is in the settings file, which wins; change it there")


def _send(channels: Mapping[str, Channel], channel: str, message: AlertMessage) -> ChannelResult:
    if channel not in channels:
        return ChannelResult(channel, "the channel is not open; restart the base station")
    try:
        channels[channel](message)
    except DeliveryError as error:
        return ChannelResult(channel, str(error))
    return ChannelResult(channel, "")


def _save(
    request: Request, engine: Engine, admin: Principal, key: str, values: Mapping[str, Any] | None, text: str
) -> RedirectResponse:
    def change(connection: Connection) -> None:
        write_setting(connection, key, values, admin.name)

    apply_change(engine, admin, text, change)
    return _to_settings(request)


def _to_settings(request: Request) -> RedirectResponse:
    return RedirectResponse(f"{root_of(request)}/settings", 303)
