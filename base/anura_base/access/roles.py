"""Roles of users and programs."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Roles in rising order. Each role includes the rights of the roles before it."""

    VIEW = "view"
    """See all pages and play all clips."""
    REVIEW = "review"
    """Also review calls, request clips from devices, and have recordings analysed."""
    ADMIN = "admin"
    """Also change users and delete clips."""

    def allows(self, needed: "Role") -> bool:
        """Return whether this role includes the rights of `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Principal:
    """The user or the token that sends a request."""

    name: str
    role: Role


LOCAL_ADMIN = Principal("local", Role.ADMIN)
"""The person at a base station that accepts local connections only and has no users."""
