"""A device that dies loses nothing that it had committed, and the base station has everything once."""

import random
from pathlib import Path

import pytest
from faultlab.backlog import Edge, fill
from faultlab.deaths import SYNC_FAILED, Device, cut_power, kill_at_random
from faultlab.disk import Loss, cut
from faultlab.field import Field
from faultlab.ledger import settle
from faultlab.nursery import Nursery
from support import DEADLINE_S, eventually

DEATHS = 20


def test_killed_device_loses_and_repeats_no_row(field: Field) -> None:
    books = kill_at_random(field, DEATHS, seed=7)
    assert books.deaths == DEATHS
    assert books.rows > 0
    assert not books.broken


def test_power_cut_loses_no_committed_row(field: Field, recorder: Path) -> None:
    books = cut_power(field, recorder, DEATHS, seed=7)
    assert books.deaths == DEATHS
    assert books.rows > 0
    assert not books.broken


def test_bench_detects_a_disk_that_ignores_syncs(field: Field, recorder: Path) -> None:
    assert cut_power(field, recorder, 15, seed=7, lies=True).forgotten > 0


def test_recorder_logs_every_disk_write_of_the_device(field: Field, recorder: Path) -> None:
    with Nursery(field.folder, recorder) as nursery:
        device = Device(field, "recorded", files=4)
        device.live_on_a_disk(nursery, Loss.NONE, random.Random(0))
    there = _content(device.state)
    cut(field.folder / "before", field.folder / "disk.log", device.state, Loss.NONE, random.Random(0))
    assert _content(device.state) == there
    assert "journal.db" in there


@pytest.mark.parametrize("sync", range(5, 20, 3))
def test_failed_sync_ends_the_process_and_the_next_recovers(field: Field, recorder: Path, sync: int) -> None:
    with Nursery(field.folder, recorder) as nursery:
        device = Device(field, f"failed-sync-{sync}", files=6)
        life = device.live_on_a_disk(nursery, Loss.ALL, random.Random(sync), fail_sync=sync)
        assert life.code == SYNC_FAILED
        assert "disk I/O error" in life.err
        while not device.done:
            device.live(nursery)
    assert not device.close().broken


def test_failed_sync_during_delivery_ends_the_device(field: Field, recorder: Path) -> None:
    state = field.folder / "waiting" / "state"
    rows = fill(state, "waiting", 2_000)
    log = field.folder / "waiting.log"
    recording = {"LD_PRELOAD": recorder, "POWERCUT_ROOT": state, "POWERCUT_LOG": log, "POWERCUT_FAIL_SYNC": 4}
    with Edge(field, "waiting", within=["env", *(f"{name}={value}" for name, value in recording.items())]) as edge:
        assert edge.process.wait(DEADLINE_S) == SYNC_FAILED
    with Edge(field, "waiting") as edge:
        eventually(lambda: not edge.pending())
    assert not settle(field, "waiting", state, rows, {}).broken


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
