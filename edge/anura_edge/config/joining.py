"""Applies a join file: its secrets become files beside the settings, and its names become settings."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anura_edge.config.device import Config
from anura_edge.config.private_files import write_private
from anura_edge.config.yaml_loader import load
from anura_edge.config.yaml_text import read
from anura_edge.errors import ConfigError
from anura_edge.wire.join_file import JoinFile

CREDENTIALS = "credentials"
"""Name of the folder of the secrets, in the folder of the settings."""


def apply_join_file(join: JoinFile, settings: Path) -> None:
    """Write the secrets of a join file, and change the sections `device` and `mqtt` of the settings.

    Other keys and other sections stay as they are; the settings file is made if there is none. Raises ConfigError, and
    then the settings have not changed.
    """
    settings = settings.absolute()
    folder = settings.parent / CREDENTIALS
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make {folder}: {error.strerror}; use sudo, or another --config") from error
    old = settings.read_text(encoding="utf-8-sig") if settings.exists() else "schema: 1\n"
    values: dict[str, Any] = read(settings).values if settings.exists() else {"schema": 1}
    mqtt = {"host": join.host, "port": join.port, "username": join.username, **_write_secrets(join, folder)}
    changed: dict[str, dict[str, Any]] = {"device": {"site": join.site, "name": join.device}, "mqtt": mqtt}
    for name, section in changed.items():
        merged = _without_none({**(values.get(name) or {}), **section})
        values, old = {**values, name: merged}, _replace_section(old, name, merged)
    unfinished = settings.with_name(f".{settings.name}.joined")
    try:
        unfinished.write_text(old, encoding="utf-8")
        load(Config, unfinished, {})
        if read(unfinished).values != values:
            reason = f"cannot change {settings}: write each section as `key: value` lines"
            raise ConfigError(f"{reason}, and join again")
        unfinished.replace(settings)
    except OSError as error:
        raise ConfigError(f"cannot write {settings}: {error.strerror}; use sudo, or another --config") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _write_secrets(join: JoinFile, folder: Path) -> dict[str, str | None]:
    """Write a file for each secret. Return the setting that names it, or None for a secret that is not there."""
    secrets = {
        "password_file": ("password", join.password),
        "ca_file": ("ca.crt", join.ca),
        "ack_key_file": ("ack-key", join.ack_key),
        "cert_file": ("device.crt", join.certificate),
        "key_file": ("device.key", join.private_key),
    }
    for name, secret in secrets.values():
        if secret is not None:
            write_private(folder / name, secret.rstrip("\n") + "\n", for_group=True)
    return {key: str(folder / name) if secret is not None else None for key, (name, secret) in secrets.items()}


def _replace_section(text: str, name: str, values: Mapping[str, Any]) -> str:
    """Return the text of a settings file with another section. JSON values are YAML, too."""
    section = f"{name}:\n" + "".join(f"  {key}: {json.dumps(value)}\n" for key, value in values.items())
    text = text if text.endswith("\n") else f"{text}\n"
    # The key, and below it indented lines, with empty lines between them.
    found = re.compile(rf"^{name}:[^\n]*\n(?:(?:[ \t]*\n)*[ \t]+\S[^\n]*\n)*", re.MULTILINE)
    return found.sub(lambda _: section, text, count=1) if found.search(text) else f"{text}{section}"


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
