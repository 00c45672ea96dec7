"""Alerts and what identifies them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

NightOf = Callable[[str, datetime], date]
"""Returns the date of the night of a site that contains a moment."""


class AlertKey(NamedTuple):
    """A rule and the subject that it watches. The cooldown of a rule applies to each key."""

    rule: str
    subject: str
    """A species at a site, a device, or a part of a device such as its disk."""


class DedupKey(NamedTuple):
    """Identifies an alert. Two alerts with one DedupKey are the same alert, and only the first is sent."""

    key: AlertKey
    dedup_id: str
    """An event id, the date of a night, or the time when a condition began."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that a rule has raised."""

    key: AlertKey
    dedup_id: str
    """Empty until `engine.changed_conditions` sets it, for a condition."""
    site: str
    device: str
    moment_utc: datetime
    """When it happened or began, as far as is known."""
    text: str
    """A sentence for people."""

    @property
    def dedup_key(self) -> DedupKey:
        """What identifies it."""
        return DedupKey(self.key, self.dedup_id)


def printable(text: str) -> str:
    """Replace characters such as line breaks and escape codes, which could forge mail headers or terminal output."""
    return "".join(character if character.isprintable() else "?" for character in text)
