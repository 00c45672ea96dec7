"""The battery is read from the kernel, and each change of the power mode is one notice."""

from pathlib import Path

import pytest

from anura_edge.config.energy import BatterySettings
from anura_edge.dsp.gating import EnergyMode, EnergyState
from anura_edge.events import NoticeKind
from anura_edge.health.power import PowerSupply, PowerWatch, read_power_supply
from anura_edge.store.journal import Journal
from anura_edge.store.writer import ResultWriter
from anura_edge.wire import NoticeRow, Provenance


def supply(sys: Path, name: str, **files: str) -> Path:
    """Write the kernel's files for a power supply."""
    folder = sys / "class/power_supply" / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_text(f"{text}\n")
    return folder


def test_lowest_charge_of_the_machines_batteries_counts(tmp_path: Path) -> None:
    assert read_power_supply(sys=tmp_path) == PowerSupply(None, None)
    supply(tmp_path, "AC", type="Mains", online="0")
    supply(tmp_path, "mouse", type="Battery", scope="Device", capacity="3", status="Discharging")
    assert read_power_supply(sys=tmp_path) == PowerSupply(None, None)
    supply(tmp_path, "BAT0", type="Battery", capacity="81", status="Charging")
    assert read_power_supply(sys=tmp_path) == PowerSupply(81, on_battery=False)
    supply(tmp_path, "BAT1", type="Battery", capacity="64", status="Discharging")
    assert read_power_supply(sys=tmp_path) == PowerSupply(64, on_battery=True)


@pytest.mark.parametrize("text", ["", "full", "nan", "-1", "101", "\xff"])
def test_invalid_charge_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "charge").write_text(text, encoding="latin-1")
    assert read_power_supply(tmp_path / "charge", tmp_path).battery_percent is None


def test_each_mode_change_is_one_notice(tmp_path: Path, provenance: Provenance) -> None:
    journal, saving, charge = Journal(tmp_path / "journal.db"), EnergyState(), tmp_path / "charge"
    writer = ResultWriter(journal, provenance, lambda _: None, lambda: None)
    watch = PowerWatch(BatterySettings(capacity_file=charge), saving, writer)
    steps = []
    for text in ("", "55", "54.5", "10", "lost", "12", "100"):
        charge.write_text(text)
        watch.check()
        steps.append(saving.mode)
    notices = [row for row in [each.row for each in journal.outbox.pending(0, 100)] if isinstance(row, NoticeRow)]
    journal.close()
    assert steps == [
        EnergyMode.FULL,
        EnergyMode.COARSE,
        EnergyMode.COARSE,
        EnergyMode.PAUSED,
        EnergyMode.PAUSED,
        EnergyMode.PAUSED,
        EnergyMode.FULL,
    ]
    assert [(row.what, row.amount) for row in notices] == [(NoticeKind.ENERGY, charge) for charge in (55, 10, 100)]


def test_battery_without_settings_changes_no_mode(provenance: Provenance, tmp_path: Path) -> None:
    saving = EnergyState()
    journal = Journal(tmp_path / "journal.db")
    PowerWatch(None, saving, ResultWriter(journal, provenance, lambda _: None, lambda: None)).check()
    journal.close()
    assert saving.mode == EnergyMode.FULL
