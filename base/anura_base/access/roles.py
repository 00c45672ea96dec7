"""What a person or a program may do."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Each may do what the one before may, and more."""

    VIEW = "view"
    """See and hear everything that was heard."""
    REVIEW = "review"
    """Judge calls, ask devices for their audio, and have recordings heard, too."""
    ADMIN = "admin"
    """Change whatever can be changed."""

    def allows(self, needed: "Role") -> bool:
        """Say whether this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    name: str
    role: Role


LOCAL = Principal("local", Role.ADMIN)
"""The one person at a base station that listens on its own machine alone and has no users."""
