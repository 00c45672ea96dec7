"""A device that crashes loses no committed row, and the base station has each row once."""

import random
from pathlib import Path

import pytest
from faultlab.crashes import SYNC_FAILED, Device, cut_power, kill_devices
from faultlab.device_process import DeviceProcess, fill_journal
from faultlab.disk import Loss, apply_power_cut
from faultlab.fault_report import compare
from faultlab.fork_server import ForkServer
from faultlab.servers import Servers
from support import DEADLINE_S, eventually

CRASHES = 8
"""`make faults` does a thousand."""


def test_killed_device_loses_and_repeats_no_row(servers: Servers) -> None:
    report = kill_devices(servers, CRASHES, seed=7)
    assert report.crashes == CRASHES
    assert report.rows > 0
    assert not report.violations


def test_power_cut_loses_no_committed_row(servers: Servers, recorder: Path) -> None:
    report = cut_power(servers, recorder, CRASHES, seed=7)
    assert report.crashes == CRASHES
    assert report.rows > 0
    assert not report.violations


def test_bench_detects_a_disk_that_ignores_syncs(servers: Servers, recorder: Path) -> None:
    """Each cut may fall where nothing waits for the disk, so there is more than one series of cuts."""
    series = (cut_power(servers, recorder, CRASHES, seed, ignores_syncs=True) for seed in range(7, 12))
    assert any(report.rolled_back for report in series)


def test_recorder_logs_every_disk_write_of_the_device(servers: Servers, recorder: Path) -> None:
    with ForkServer(servers.folder, recorder) as fork_server:
        device = Device(servers, "recorded", files=4)
        device.run_on_recorded_disk(fork_server, Loss.NONE, random.Random(0))
    before = _content(device.state)
    apply_power_cut(servers.folder / "before", servers.folder / "disk.log", device.state, Loss.NONE, random.Random(0))
    assert _content(device.state) == before
    assert "journal.db" in before


@pytest.mark.parametrize("sync", range(5, 20, 3))
def test_failed_sync_ends_the_process_and_the_next_recovers(servers: Servers, recorder: Path, sync: int) -> None:
    with ForkServer(servers.folder, recorder) as fork_server:
        device = Device(servers, f"failed-sync-{sync}", files=6)
        result = device.run_on_recorded_disk(fork_server, Loss.ALL, random.Random(sync), fail_sync=sync)
        assert result.code == SYNC_FAILED
        assert "disk I/O error" in result.err
        while not device.done:
            device.run(fork_server)
    assert not device.close().violations


def test_failed_sync_during_delivery_ends_the_device(servers: Servers, recorder: Path) -> None:
    state = servers.folder / "waiting" / "state"
    rows = fill_journal(state, "waiting", 2_000)
    log = servers.folder / "waiting.log"
    recording = {"LD_PRELOAD": recorder, "POWERCUT_ROOT": state, "POWERCUT_LOG": log, "POWERCUT_FAIL_SYNC": 4}
    with DeviceProcess(
        servers, "waiting", command_prefix=["env", *(f"{name}={value}" for name, value in recording.items())]
    ) as edge:
        assert edge.process.wait(DEADLINE_S) == SYNC_FAILED
    with DeviceProcess(servers, "waiting") as edge:
        eventually(lambda: not edge.pending())
    assert not compare(servers, "waiting", state, rows, {}).violations


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
