"""A device process, and a journal that is filled with rows to deliver, as after days without a link."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from uuid import UUID, uuid5

from support import DEADLINE_S, eventually

from anura_edge.audio import ClockSource
from anura_edge.events import NAMESPACE, Event
from anura_edge.store.journal import Journal
from anura_edge.wire import Owner, Provenance
from faultlab.servers import SITE, Servers

ROWS_PER_COMMIT = 500
PARTITION = timedelta(hours=72)

EDGE = "from anura_edge.cli.main import main; main()"


def fill_journal(state: Path, device: str, rows: int) -> set[UUID]:
    """Commit events of the last 72 h. Return their ids."""
    journal = Journal(state / "journal.db", Owner(SITE, device))
    provenance = Provenance("bench", "1", "0" * 64, "0" * 12, "0.1.0")
    begin, step = datetime.now(UTC) - PARTITION, PARTITION / rows
    events = [_event(device, number, begin + number * step) for number in range(rows)]
    for first in range(0, rows, ROWS_PER_COMMIT):
        journal.commit(events[first : first + ROWS_PER_COMMIT], [], provenance)
    journal.close()
    return {event.id for event in events}


def _event(device: str, number: int, start: datetime) -> Event:
    return Event(
        id=uuid5(NAMESPACE, f"{device}/{number}"),
        label="LITSPH",
        scientific_name="Lithobates sphenocephalus",
        recording=f"{device}-{number // 60}",
        recording_name=f"BENCH_{start:%Y%m%d_%H}0000.wav",
        onset_sample=1_000 * number,
        offset_sample=1_000 * number + 48_000,
        rate_hz=24_000,
        start_utc=start,
        end_utc=start + timedelta(seconds=2),
        clock_source=ClockSource.RECORDER,
        p_peak=0.5 + number % 50 / 100,
        p_mean=0.5 + number % 40 / 100,
        level_dbfs=-30.0 - number % 30,
    )


class DeviceProcess:
    """An `anura-edge run --watch` on a card, which is an empty folder at first. A context manager."""

    def __init__(
        self,
        servers: Servers,
        name: str,
        settings: Mapping[str, object] = MappingProxyType({}),
        command_prefix: Sequence[object] = (),
        card: Path | None = None,
    ) -> None:
        """`command_prefix` runs it elsewhere, as in `ip netns exec NAME`. `card` is a folder of its own by default."""
        self.state = servers.folder / name / "state"
        self.card = card or servers.folder / name / "card"
        self.card.mkdir(parents=True, exist_ok=True)
        self._log = servers.folder / name / "edge.txt"
        self._command = [
            *map(str, command_prefix),
            sys.executable,
            "-c",
            EDGE,
            "run",
            "--watch",
            "--source",
            f"folder:{self.card}",
        ]
        self._environment = {
            **os.environ,
            **servers.environment(name, self.state, **{key: str(value) for key, value in settings.items()}),
        }

    def __enter__(self) -> "DeviceProcess":
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("w") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        eventually(self._has_started)
        return self

    def _has_started(self) -> bool:
        assert self.process.poll() is None, self.log_text
        try:
            return self.pending() >= 0
        except sqlite3.OperationalError:  # no journal yet
            return False

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(DEADLINE_S)

    @property
    def log_text(self) -> str:
        """The output until now."""
        return self._log.read_text()

    def pending(self) -> int:
        """Count the rows that are not acknowledged."""
        with closing(sqlite3.connect(self.state / "journal.db", timeout=DEADLINE_S)) as journal:
            return int(journal.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def memory_mb(self) -> float:
        """Return the resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024
