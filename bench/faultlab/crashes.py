"""Crashes a device at random moments and starts it again, card after card."""

import random
from pathlib import Path
from uuid import UUID
from zlib import crc32

from faultlab.cards import samples_in_headers, write_card
from faultlab.disk import Loss, apply_power_cut, copy_folder
from faultlab.fault_report import FaultReport, OnProgress, committed_ids, compare
from faultlab.fork_server import ForkServer, RunResult
from faultlab.servers import Servers

FILES = 24
"""Files on a card: about 0.6 s of work, so that a device crashes several times on each."""

MAX_RUN_S = 0.4
"""The longest time until a device is killed. It needs 0.1 s until the first commit."""

MAX_OPERATIONS = 100
"""The highest number of disk operations before the power cut. About the first 30 create the journal."""

KILLED, SYNC_FAILED = -9, 5
"""Exit codes of a killed device, and of a device whose journal failed."""

FINISHED = (0, 8)
"""Exit codes of a complete scan: 8 if a file could not be read."""


class DeviceError(Exception):
    """A device ended in an unexpected way."""


def kill_devices(servers: Servers, crashes: int, seed: int, progress: OnProgress = lambda _: None) -> FaultReport:
    """Kill a device that scans cards (SIGKILL) at random moments, and start it again."""
    choice, report = random.Random(seed), FaultReport()
    with ForkServer(servers.folder) as fork_server:
        while report.crashes < crashes:
            device = Device(servers, f"kill-{seed}-{report.crashes}")
            while not device.done:
                device.run(
                    fork_server, choice.uniform(0, MAX_RUN_S) if report.crashes + device.crashes < crashes else None
                )
            report += device.close()
            progress(report)
    return report


def cut_power(
    servers: Servers,
    recorder: Path,
    crashes: int,
    seed: int,
    progress: OnProgress = lambda _: None,
    *,
    ignores_syncs: bool = False,
) -> FaultReport:
    """Cut the power of a device that scans cards at random disk operations, and start it again.

    With `ignores_syncs` rows must be lost: this shows that the bench detects a loss.
    """
    choice, report = random.Random(seed), FaultReport()
    with ForkServer(servers.folder, recorder) as fork_server:
        while report.crashes < crashes:
            device = Device(servers, f"{'lie' if ignores_syncs else 'cut'}-{seed}-{report.crashes}")
            while not device.done:
                at = choice.randrange(1, MAX_OPERATIONS) if report.crashes + device.crashes < crashes else 0
                device.run_on_recorded_disk(
                    fork_server,
                    Loss.ALL if ignores_syncs else choice.choice([*Loss]),
                    choice,
                    at=at,
                    ignore_syncs=ignores_syncs,
                )
            report += device.close()
            progress(report)
    return report


class Device:
    """A device with a card of its own, from its first start to the end of its scan."""

    def __init__(self, servers: Servers, name: str, files: int = FILES) -> None:
        self._servers, self._name = servers, name
        folder = servers.folder / name
        self._card = write_card(folder / "card", files, seed=crc32(name.encode()))
        self.state = folder / "state"
        self._command = ["run", "--json", "--source", f"folder:{self._card}"]
        self._environment = servers.environment(name, self.state)
        self.done = False
        """Whether the scan is complete and all rows are delivered."""
        self.crashes = 0
        self._committed: set[UUID] = set()
        self._shown: set[UUID] = set()
        self._rolled_back: set[UUID] = set()

    def run(self, fork_server: ForkServer, kill_after_s: float | None = None) -> RunResult:
        """Scan until the end, or until the device is killed."""
        return self._take(fork_server.run(self._command, self._environment, kill_after_s))

    def run_on_recorded_disk(
        self, fork_server: ForkServer, loss: Loss, choice: random.Random, **settings: int
    ) -> RunResult:
        """Scan until the end, or until the disk fails. The state folder is then as a power cut leaves it.

        `settings` are those of powercut.c: at, fail_sync, ignore_syncs.
        """
        before, log = self._servers.folder / "before", self._servers.folder / "disk.log"
        copy_folder(self.state, before)
        log.unlink(missing_ok=True)
        recorder = {"ROOT": str(self.state), "LOG": str(log), "AT": "0", "FAIL_SYNC": "0", "IGNORE_SYNCS": "0"}
        recorder |= {name.upper(): str(int(value)) for name, value in settings.items()}
        recorder_settings = {f"POWERCUT_{name}": value for name, value in recorder.items()}
        result = fork_server.run(self._command, {**self._environment, **recorder_settings})
        if result.code not in FINISHED:
            apply_power_cut(before, log, self.state, loss, choice)
        return self._take(result)

    def _take(self, result: RunResult) -> RunResult:
        if result.code not in (KILLED, SYNC_FAILED, *FINISHED):
            raise DeviceError(f"{self._name} ended with {result.code}: {result.err}")
        self.crashes += result.code not in FINISHED
        there = committed_ids(self.state, self._servers.folder / "scratch")
        self._shown |= {UUID(event["id"]) for event in result.lines("event")}
        self._rolled_back |= self._shown - there
        self._committed |= there
        self.done = result.code in FINISHED and all(summary["pending"] == 0 for summary in result.lines("summary"))
        return result

    def close(self) -> FaultReport:
        """Compare the device with the base station."""
        report = compare(self._servers, self._name, self.state, self._committed, samples_in_headers(self._card))
        report.crashes, report.rolled_back = self.crashes, len(self._rolled_back)
        return report
