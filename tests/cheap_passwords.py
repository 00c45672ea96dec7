"""Password hashes with small parameters, for tests that are not about the hash itself."""

import pytest
from argon2 import PasswordHasher

from anura_base.access import passwords

PASSWORD = "frogs call after the rain"
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HASH = HASHER.hash(PASSWORD)
"""A hash contains its parameters, so the check of this one is fast, too."""


def use_cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the hasher and the hash for unknown users."""
    monkeypatch.setattr(passwords, "_hasher", HASHER)
    monkeypatch.setattr(passwords, "_DUMMY_HASH", HASH)
