"""Facts that the machine reports are returned; others are None."""

import os
from pathlib import Path

import pytest

from anura_edge.system import hardware


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_facts_of_this_machine_match_linux() -> None:
    assert hardware.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 < (hardware.memory_bytes() or 0) < 2**40
    assert hardware.clock_synchronised() in (True, False)


def test_space_excludes_blocks_reserved_for_root(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    assert hardware.space(tmp_path).free_bytes <= status.f_bfree * status.f_frsize
    with pytest.raises(OSError, match="No such file"):
        hardware.space(tmp_path / "nowhere")


def test_temperature_is_that_of_the_hottest_readable_sensor(tmp_path: Path) -> None:
    assert hardware.temperature_c(tmp_path) is None
    put(tmp_path / "class/thermal/thermal_zone0/temp", "")
    assert hardware.temperature_c(tmp_path) is None
    put(tmp_path / "class/thermal/thermal_zone1/temp", "-3500\n")
    assert hardware.temperature_c(tmp_path) == -3.5
    put(tmp_path / "class/thermal/thermal_zone2/temp", "61234\n")
    assert hardware.temperature_c(tmp_path) == 61.234
    put(tmp_path / "class/thermal/thermal_zone3/temp", f"{0x7FFFFFFF}\n")
    assert hardware.temperature_c(tmp_path) == 61.234, "a sensor that has no reading is none"


@pytest.mark.parametrize(("text", "bits"), [("0\n", 0), ("50005\n", 0x50005), ("0x50000\n", 0x50000), ("?", None)])
def test_throttling_bits_are_hexadecimal(tmp_path: Path, text: str, bits: int | None) -> None:
    assert hardware.throttled_bits(tmp_path) is None
    put(tmp_path / "devices/platform/soc/soc:firmware/get_throttled", text)
    assert hardware.throttled_bits(tmp_path) == bits


def test_machine_is_known_by_the_serial_number_of_its_board_or_its_machine_id(tmp_path: Path) -> None:
    assert hardware.machine_id(tmp_path) is None
    put(tmp_path / "etc/machine-id", "uninitialized\n")
    assert hardware.machine_id(tmp_path) is None
    put(tmp_path / "etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    without_serial = hardware.machine_id(tmp_path)
    put(tmp_path / "proc/device-tree/serial-number", "0000000000000000\0")
    assert hardware.machine_id(tmp_path) == without_serial
    put(tmp_path / "proc/device-tree/serial-number", "10000000deadbeef\0")
    original = hardware.machine_id(tmp_path)
    put(tmp_path / "proc/device-tree/serial-number", "10000000deadbee0\0")
    copied_card = hardware.machine_id(tmp_path)
    assert len({without_serial, original, copied_card, None}) == 4
    assert "0123" not in f"{without_serial}{original}{copied_card}"
