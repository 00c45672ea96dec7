"""Password hashes: Argon2id with RFC 9106's parameters for machines with little memory (64 MiB, three passes)."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from anura_edge.errors import ConfigError

MIN_CHARACTERS = 12
MAX_CHARACTERS = 256

_hasher = PasswordHasher()

# Each hash takes 64 MiB. Many simultaneous logins must not take the memory that the ingest needs.
_one_at_a_time = threading.BoundedSemaphore(1)

_DUMMY_HASH = "$argon2id$v=19$m=65536,t=3,p=4$aGhUHeonwCR0sWIWcC2FBQ$zmPKXHxP4w22kLhr2QE+5iJHysdbrj2JxUFhsYFUIyI"
"""Checked if the user does not exist, so that the answer takes the same time. It is the hash of a random password.

A hash made at the start would cost each start 64 MiB and 0.3 s.
"""


def check_length(password: str) -> None:
    """Raise ConfigError if a new password is too short or too long."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise ConfigError(f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters; use a sentence")


def hash_password(password: str) -> str:
    """Return the hash to store.

    Raises ConfigError if the password is too short or too long.
    """
    check_length(password)
    with _one_at_a_time:
        return _hasher.hash(_normalise(password))


def verify(stored_hash: str | None, password: str) -> bool:
    """Return whether a password fits a hash. Without a hash the result is False, after the same time."""
    if len(password) > MAX_CHARACTERS:
        return False
    with _one_at_a_time:
        try:
            return _hasher.verify(stored_hash or _DUMMY_HASH, _normalise(password)) and stored_hash is not None
        except (Argon2Error, InvalidHashError):
            return False


def _normalise(password: str) -> bytes:
    # Some keyboards send é as one character, others as two. RFC 8265 requires the form NFC.
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")
