"""Settings that the base station has changed. They are in a file of their own, and replace keys of the settings file.

A change is on trial until the base station has heard from the device that uses it. Without that the device goes back to
what it used before: after a time, or after a few starts, since a device with wrong settings may not run for long.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Lock
from typing import Any

from anura_edge.config.device import Config
from anura_edge.config.yaml_loader import load, validate
from anura_edge.config.yaml_text import NO_FILE
from anura_edge.errors import ConfigError
from anura_edge.wire import MAX_TEXT, SettingsChange, UpdateState

FILE = "remote-settings.json"
TRIAL_STARTS = 3
"""A change with which the device did not hear from the base station in so many starts is given up."""

REMOTE_KEYS = (
    "audio.*",
    "clips.*",
    "detect.*",
    "device.*_deg",
    "device.zone",
    "disk.*",
    "energy.*",
    "health.*",
    "mqtt.host",
    "mqtt.port",
    "mqtt.keepalive_s",
    "mqtt.resend_s",
    "watch.*",
)
LOCAL_KEYS = ("*_file", "clips.enabled", "clips.upload")
"""Only a person at the device changes these: recording of people, keys, certificates, and files that are read."""


@dataclass(frozen=True, slots=True)
class RemoteState:
    """The changes that are in use, and the outcome of the last one."""

    number: int = 0
    """Number of the last change. A lower one is an old message."""
    values: dict[str, Any] = field(default_factory=dict)
    """By key, in the order in which they were changed."""
    before: dict[str, Any] | None = None
    """The values to go back to. None if the change is not on trial."""
    starts: int = 0
    """Starts of the device since the change."""
    confirm_s: float = 0.0
    state: UpdateState | None = None
    detail: str = ""


class RemoteSettings:
    """The file of the changed settings. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._file, self._lock = folder / FILE, Lock()

    @property
    def state(self) -> RemoteState:
        """What is stored. A file that is damaged counts as empty: a device in the field must start."""
        try:
            return RemoteState(**json.loads(self._file.read_bytes()))
        except (OSError, ValueError, TypeError):
            return RemoteState()

    def apply(self, config: Config) -> Config:
        """Return settings with the changes that are in use.

        Changes that the settings file does not allow any more are left out. Raises nothing.
        """
        try:
            return _changed(config, self.state.values)
        except ConfigError:
            return config

    def preview(self, config: Config, change: SettingsChange) -> Config:
        """Return the settings with a change. `config` is without any change. Raises ConfigError."""
        _check_keys(change.values)
        return _changed(config, self._values_with(change))

    def accept(self, change: SettingsChange) -> None:
        """Use a change that was checked from the next start on. It is on trial then."""
        with self._lock:
            old = self.state
            before = old.values if old.before is None else old.before
            self._store(RemoteState(change.number, self._values_with(change), before, 0, change.confirm_s, "trial"))

    def _values_with(self, change: SettingsChange) -> dict[str, Any]:
        kept = {key: value for key, value in self.state.values.items() if not _is_replaced(key, change)}
        return {**kept, **change.values}

    def refuse(self, number: int, reason: str) -> None:
        """Store why a change is not used."""
        with self._lock:
            self._store(replace(self.state, number=number, state="refused", detail=reason[:MAX_TEXT]))

    def begin_start(self) -> None:
        """Count a start of the device. After too many on trial, go back."""
        state = self.state
        if state.before is not None:
            if state.starts >= TRIAL_STARTS:
                self.roll_back(f"the device was started {TRIAL_STARTS} times and never heard from the base station")
            else:
                self._store(replace(state, starts=state.starts + 1))

    def keep(self, number: int) -> bool:
        """Keep the change with a number, if it is on trial. Return whether it was."""
        with self._lock:
            state = self.state
            if state.before is None or state.number != number or not state.starts:
                return False
            self._store(replace(state, before=None, state="kept"))
            return True

    def roll_back(self, reason: str) -> bool:
        """Use the values before the change, if it is on trial. Return whether it was."""
        with self._lock:
            state = self.state
            if state.before is None:
                return False
            self._store(replace(state, values=state.before, before=None, state="rolled_back", detail=reason[:MAX_TEXT]))
            return True

    def _store(self, state: RemoteState) -> None:
        """Replace the file as a whole, and only after its content is on the disk."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_suffix(".new")
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(asdict(state), file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._file)


def load_device(path: Path | None, environment: Mapping[str, str] = os.environ) -> Config:
    """Read the settings of this device: its file, the environment, and what the base station has changed.

    Raises ConfigError.
    """
    config = load(Config, path, environment)
    return RemoteSettings(config.state_path).apply(config)


def _is_replaced(key: str, change: SettingsChange) -> bool:
    """Return whether a change sets a key, or a section that contains it, or removes it."""
    return any(f"{key}.".startswith(f"{other}.") for other in (*change.values, *change.removed))


def _check_keys(values: Mapping[str, Any]) -> None:
    for key in _leaves(values):
        allowed = any(fnmatchcase(key, pattern) for pattern in REMOTE_KEYS)
        if not allowed or any(fnmatchcase(key, pattern) for pattern in LOCAL_KEYS):
            raise ConfigError(f"{key} cannot be changed from the base station; change it in the device's own settings")


def _leaves(values: Mapping[str, Any], section: str = "") -> list[str]:
    """Return the keys of all values, with their sections."""
    found = []
    for name, value in values.items():
        is_section = isinstance(value, Mapping) and value
        found += _leaves(value, f"{section}{name}.") if is_section else [f"{section}{name}"]
    return found


def _changed(config: Config, values: Mapping[str, Any]) -> Config:
    if not values:
        return config
    effective = config.effective()
    for key, value in values.items():
        *sections, name = key.split(".")
        target = effective
        for section in sections:
            if not isinstance(target.get(section), dict):
                target[section] = {}
            target = target[section]
        target[name] = value
    return validate(Config, effective, NO_FILE)
