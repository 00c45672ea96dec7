"""The systemd units are valid, and the services have few privileges."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import need

from anura_base.web.limits.connections import MAX_CONNECTIONS, RESERVED_DESCRIPTORS, allowed_connections

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
UNITS = sorted(path for path in (ROOT / "deploy").rglob("*") if path.suffix in (".service", ".mount"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]

MAX_EXPOSURE = 3.0
"""Of 10, as `systemd-analyze security` counts."""


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_file_is_valid(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text(encoding="utf-8").replace("/opt/anura/bin", str(BIN)), encoding="utf-8")
    done = subprocess.run([need("systemd-analyze"), "verify", copy], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    new_keys = ("RestartSteps", "RestartMaxDelaySec")  # from systemd 254 on
    complaints = [
        line for line in done.stderr.splitlines() if unit.name in line and not any(k in line for k in new_keys)
    ]
    assert complaints == []


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_service_has_a_low_exposure_level(service: Path) -> None:
    command = [need("systemd-analyze"), "security", "--offline=true", "--no-pager", service]
    done = subprocess.run(command, capture_output=True, text=True)
    exposure = re.search(rf"exposure level for {service.name}: ([\d.]+)", done.stdout)
    assert exposure, done.stdout + done.stderr
    assert float(exposure[1]) <= MAX_EXPOSURE


def test_base_service_has_descriptors_for_all_connections() -> None:
    text = (ROOT / "deploy" / "base" / "anura-base.service").read_text(encoding="utf-8")
    limit = re.search(r"^LimitNOFILE=(\d+)$", text, re.MULTILINE)
    assert limit
    assert allowed_connections(int(limit[1])) == MAX_CONNECTIONS
    assert int(limit[1]) >= 2 * (MAX_CONNECTIONS + RESERVED_DESCRIPTORS)


def test_device_service_restarts_and_has_a_watchdog() -> None:
    text = (ROOT / "deploy" / "device" / "anura-edge.service").read_text(encoding="utf-8")
    for line in ("Type=notify", "WatchdogSec=60", "Restart=always", "StartLimitIntervalSec=0"):
        assert f"\n{line}\n" in text
