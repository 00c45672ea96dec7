"""The password file of mosquitto: one line for each user, `USER:$7$ITERATIONS$SALT$HASH`.

mosquitto_passwd(1) writes the same lines, but takes the password as an argument or from a terminal. The hash is
PBKDF2-HMAC-SHA512 (RFC 8018), with salt and hash in base64.
"""

import base64
import hashlib
import secrets
from pathlib import Path

from anura_edge.config.private_files import write_private
from anura_edge.errors import ConfigError

ITERATIONS = 101
"""The default of mosquitto_passwd. More protect only passwords that can be guessed; ours have 192 random bits, and the
broker would need a second of a small computer for each connection."""

_SALT_BYTES, _HASH_BYTES, _PASSWORD_BYTES = 12, 64, 24


def new_password() -> str:
    """Return a random password."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def set_password(file: Path, user: str, password: str) -> None:
    """Add a user to a password file, or replace the password of a user. Raises ConfigError."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, _HASH_BYTES)
    parts = (base64.b64encode(part).decode() for part in (salt, digest))
    _write(file, [*_others(file, user), f"{user}:$7${ITERATIONS}${'$'.join(parts)}"])


def remove_user(file: Path, user: str) -> None:
    """Remove a user from a password file. A user who is not there is ignored. Raises ConfigError."""
    _write(file, _others(file, user))


def has_user(file: Path, user: str) -> bool:
    """Return whether a password file contains a user. Raises ConfigError."""
    return any(line.startswith(f"{user}:") for line in _lines(file))


def _others(file: Path, user: str) -> list[str]:
    return [line for line in _lines(file) if not line.startswith(f"{user}:")]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}; use sudo, or name another --folder") from error


def _write(file: Path, lines: list[str]) -> None:
    write_private(file, "".join(f"{line}\n" for line in lines), for_group=True)
