"""Looks at the battery, and decides how much the device saves."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from anura_edge.config.energy import BatterySettings
from anura_edge.dsp.gating import Saving, Step, next_step
from anura_edge.events import Notice, NoticeKind
from anura_edge.store.writer import ResultWriter

log = logging.getLogger(__name__)

_MEANING = {
    Step.FULL: "all is heard again, as the settings say",
    Step.COARSE: "the model is given more sound at a time, and calls are told later",
    Step.GATED: "what is too quiet for a frog is not analysed",
    Step.PAUSED: "nothing is heard until there is more charge",
}


@dataclass(frozen=True, slots=True)
class Power:
    """What the machine lives on. What it does not say is None."""

    battery_percent: float | None = None
    """Charge of the emptiest battery."""
    on_battery: bool | None = None
    """Whether a battery is being emptied."""


def power(capacity_file: Path | None = None, sys: Path = Path("/sys")) -> Power:
    """Ask the kernel (its documentation, "sysfs-class-power"), and a file for the charge if there is one."""
    batteries = [folder for folder in sys.glob("class/power_supply/*") if _is_of_machine(folder)]
    files = [capacity_file] if capacity_file else [folder / "capacity" for folder in batteries]
    charges = [charge for file in files if (charge := _percent(file)) is not None]
    states = [state for folder in batteries if (state := _text(folder / "status"))]
    return Power(min(charges, default=None), "Discharging" in states if states else None)


class PowerWatch:
    """Looks at the battery now and then."""

    def __init__(self, settings: BatterySettings | None, saving: Saving, writer: ResultWriter) -> None:
        self._settings, self._saving, self._writer = settings, saving, writer
        self.power = Power()
        """As of the last look."""

    def look(self) -> None:
        """Look, save more or less, and tell the base station of each step.

        A charge that nobody knows changes nothing.
        """
        self.power = power(self._settings.capacity_file if self._settings else None)
        percent = self.power.battery_percent
        if self._settings is None or percent is None:
            return
        step = next_step(self._saving.step, percent, self._settings)
        if step != self._saving.step:
            self._saving.step = step
            detail = f"the battery is at {percent:.0f} %: {_MEANING[step]}"
            log.warning(detail)
            self._writer.notice(Notice(uuid4(), NoticeKind.ENERGY, datetime.now(UTC), detail, amount=percent))


def _is_of_machine(folder: Path) -> bool:
    # A wireless mouse's battery has the scope "Device".
    return _text(folder / "type") == "Battery" and _text(folder / "scope") != "Device"


def _percent(file: Path) -> float | None:
    try:
        percent = float(_text(file) or "")
    except ValueError:
        return None
    return percent if 0 <= percent <= 100 else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):  # a battery may be taken out
        return None
