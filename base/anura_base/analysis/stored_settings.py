"""The settings that hold: those of the file, and below them those that people set on the pages."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from anura_base.config.alerts import AlertSettings, Rule
from anura_base.config.settings import RetentionSettings, Site
from anura_base.db.page_settings import read_settings

log = logging.getLogger(__name__)

T = TypeVar("T")

_RULE: TypeAdapter[Rule] = TypeAdapter(Rule)


def stored_sites(connection: Connection) -> dict[str, Site]:
    """Return the sites that people set on the pages, by name."""
    return _valid(read_settings(connection, "sites"), Site.model_validate)


def stored_rules(connection: Connection) -> dict[str, Rule]:
    """Return the alert rules that people set on the pages, by name."""
    return _valid(read_settings(connection, "rules"), _RULE.validate_python)


def stored_retention(connection: Connection) -> RetentionSettings:
    """Return the retention that people set on the pages."""
    values = read_settings(connection, "retention").get("days", {})
    return _valid({"days": values}, RetentionSettings.model_validate).get("days", RetentionSettings())


def alerts_in_force(connection: Connection, of_file: AlertSettings) -> AlertSettings:
    """Return the alert settings with the rules of the pages. A rule of the file has priority."""
    known = set(of_file.channels())
    rules = {
        name: rule.model_copy(update={"channels": tuple(each for each in rule.channels or () if each in known)})
        if rule.channels is not None
        else rule
        for name, rule in stored_rules(connection).items()
    }
    return of_file.model_copy(update={"rules": {**rules, **of_file.rules}})


def retention_in_force(connection: Connection, of_file: RetentionSettings) -> RetentionSettings:
    """Return how long rows are stored. A value of the file has priority."""
    set_in_file = {name: getattr(of_file, name) for name in of_file.model_fields_set}
    return stored_retention(connection).model_copy(update=set_in_file)


def _valid(values: Mapping[str, Any], parse: Callable[[Any], T]) -> dict[str, T]:
    """Return the values that this version of the program understands."""
    found = {}
    for name, value in values.items():
        try:
            found[name] = parse(value)
        except ValidationError as error:
            log.warning("the setting %s of the pages is left out: %s", name, error.errors()[0]["msg"])
    return found
