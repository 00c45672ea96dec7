"""Passwords, hashed by Argon2id with RFC 9106's parameters for machines with little memory: 64 MiB, three passes."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from anura_edge.errors import ConfigError

MIN_CHARACTERS = 12
MAX_CHARACTERS = 256

_hasher = PasswordHasher()

# Each hash takes 64 MiB: a crowd at the door must not take the memory that the ingest needs.
_one_at_a_time = threading.BoundedSemaphore(1)

_NOBODY = _hasher.hash("nobody has this password")
"""Checked where there is no such user, so that an answer takes as long as with one."""


def hash_password(password: str) -> str:
    """Return what to keep of a password.

    Raises ConfigError when it is too short or too long.
    """
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise ConfigError(f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters; take a sentence")
    with _one_at_a_time:
        return _hasher.hash(_same_everywhere(password))


def matches(kept: str | None, password: str) -> bool:
    """Say whether this is the password. With nothing kept it is not, which takes as long to find out."""
    if len(password) > MAX_CHARACTERS:
        return False
    with _one_at_a_time:
        try:
            return _hasher.verify(kept or _NOBODY, _same_everywhere(password)) and kept is not None
        except (Argon2Error, InvalidHashError):
            return False


def _same_everywhere(password: str) -> bytes:
    # One keyboard sends é as one character, another as two (RFC 8265 asks for this form).
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")
