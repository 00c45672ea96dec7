"""Random secrets for sessions, tokens and links. The database stores their hashes only."""

import hashlib
import hmac
import secrets

BYTES = 32
"""256 bits cannot be guessed, so a fast hash without salt is safe to store."""


def new() -> str:
    """Return a new secret as text for a cookie, a header or a link."""
    return secrets.token_urlsafe(BYTES)


def digest(secret: str) -> str:
    """Return the hash that the database stores. It gives no access."""
    return hashlib.sha256(secret.encode()).hexdigest()


def derive(secret: str, purpose: str) -> str:
    """Return another secret, which depends on this one and does not reveal it (HMAC-SHA256)."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def equal(one: str, other: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
