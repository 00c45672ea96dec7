"""Read the battery, and choose how much energy the device saves."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from anura_edge.config.energy import BatterySettings
from anura_edge.dsp.gating import EnergyMode, EnergyState, next_mode
from anura_edge.events import Notice, NoticeKind
from anura_edge.store.writer import ResultWriter

log = logging.getLogger(__name__)

_MEANING = {
    EnergyMode.FULL: "all audio is analysed as the settings say",
    EnergyMode.COARSE: "the model gets longer blocks, and calls are reported later",
    EnergyMode.GATED: "audio that is too quiet for a frog is not analysed",
    EnergyMode.PAUSED: "no audio is analysed until the charge is higher",
}


@dataclass(frozen=True, slots=True)
class PowerSupply:
    """State of the machine's batteries. Values that it does not report are None."""

    battery_percent: float | None = None
    """The lowest charge of all batteries."""
    on_battery: bool | None = None
    """Whether a battery is being discharged."""


def read_power_supply(capacity_file: Path | None = None, sys: Path = Path("/sys")) -> PowerSupply:
    """Read the batteries from the kernel (Linux documentation, "sysfs-class-power").

    The charge comes from `capacity_file` if there is one.
    """
    batteries = [folder for folder in sys.glob("class/power_supply/*") if _powers_the_machine(folder)]
    files = [capacity_file] if capacity_file else [folder / "capacity" for folder in batteries]
    charges = [charge for file in files if (charge := _percent(file)) is not None]
    states = [state for folder in batteries if (state := _text(folder / "status"))]
    return PowerSupply(min(charges, default=None), "Discharging" in states if states else None)


class PowerWatch:
    """Checks the battery, and sets the power mode."""

    def __init__(self, settings: BatterySettings | None, saving: EnergyState, writer: ResultWriter) -> None:
        self._settings, self._saving, self._writer = settings, saving, writer
        self.supply = PowerSupply()
        """As of the last check."""

    @property
    def step(self) -> EnergyMode:
        """The current power mode."""
        return self._saving.mode

    def check(self) -> None:
        """Read the battery, set the power mode, and publish a notice when it changes.

        An unknown charge changes nothing.
        """
        self.supply = read_power_supply(self._settings.capacity_file if self._settings else None)
        percent = self.supply.battery_percent
        if self._settings is None or percent is None:
            return
        step = next_mode(self._saving.mode, percent, self._settings)
        if step != self._saving.mode:
            self._saving.mode = step
            detail = f"the battery is at {percent:.0f} %: {_MEANING[step]}"
            log.warning(detail)
            self._writer.write_notice(Notice(uuid4(), NoticeKind.ENERGY, datetime.now(UTC), detail, amount=percent))


def _powers_the_machine(folder: Path) -> bool:
    # The battery of a wireless mouse has the scope "Device".
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
    except (OSError, ValueError):  # a battery may be removed at any time
        return None
