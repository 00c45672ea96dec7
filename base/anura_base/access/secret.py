"""Random secrets that open a door, and what is kept of them."""

import hashlib
import hmac
import secrets

BYTES = 32
"""256 bits: nobody finds one by trying, so a plain hash of it, which is fast, is safe to keep."""


def new() -> str:
    """Make a secret, as text for a cookie or a header."""
    return secrets.token_urlsafe(BYTES)


def digest(secret: str) -> str:
    """Return what the database keeps. Who reads it cannot get in with it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def derive(secret: str, purpose: str) -> str:
    """Return another secret that follows from this one, but does not tell it."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def equal(one: str, other: str) -> bool:
    """Compare in a time that does not tell where the two differ."""
    return hmac.compare_digest(one.encode(), other.encode())
