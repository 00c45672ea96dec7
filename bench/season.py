"""A base station under the load of a season: `.venv/bin/python bench/season.py [--devices 50] [--nights 95]`.

A real mosquitto, a real `anura-base run` and the messages of `anura-base simulate`, made before the measurement. During
the ingest the base station is killed (SIGKILL) `--kills` times and started again. Then the database is compared with
the sent rows, id by id, and each page is requested five times over HTTP; the slowest request counts.

All processes share this machine's cores, so the table shows the CPU time of the base station, too. `--database` names
another, empty database, as postgresql+psycopg://anura@db/anura.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID

from ingest import BASE, cpu_s
from sqlalchemy import create_engine, func, select

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support import DEADLINE_S, Broker, eventually, free_port

from anura_base.analysis.rollup_tables import call_slots, stale_days
from anura_base.db.schema import effort, events, notices
from anura_base.simulate.demo import CALENDAR_DATE, last_complete_night
from anura_base.simulate.messages import SimulatedMessage, season_messages
from anura_base.simulate.sender import FleetSender, SentCounts
from anura_edge.wire import EffortBatch, EventBatch, NoticeBatch

TABLES = {"event": events, "effort": effort, "notice": notices}
BATCHES: dict[str, type[EventBatch | EffortBatch | NoticeBatch]] = {
    "event": EventBatch,
    "effort": EffortBatch,
    "notice": NoticeBatch,
}

PAGES = (
    "",
    "network",
    "species",
    "species?first={first}",
    "species?view=sunset&first={first}",
    "species?view=clock&first={first}",
    "species?species={species}&first={first}",
    "species.csv?first={first}",
    "night",
    "night?site=lake-shore&evening={last}",
    "anomalies",
    "review?species={species}",
    "review?species={species}&order=highest",
    "review?species={species}&order=lowest&site=lake-shore",
    "alerts",
    "api/devices",
    "api/events?limit=1000",
    "api/effort?limit=1000",
    "api/notices?limit=1000",
    "api/alerts",
    "metrics",
)

TIMES = 5


class Base:
    """A base station that can be killed and started again on its database and broker."""

    def __init__(self, folder: Path, database: str, port: int) -> None:
        self._log = folder / "base.txt"
        options = ["--database", database, "--mqtt", f"127.0.0.1:{port}", "--web", "127.0.0.1:0"]
        self._command = [sys.executable, "-c", BASE, "run", *options]
        self._cpu_s = 0.0
        self.kills = 0
        self._start()

    def _start(self) -> None:
        with self._log.open("w") as errors:
            self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self._process.stdout
        url = re.search(r"http://\S+/", self._process.stdout.readline())
        assert url, self._log.read_text()
        self.url = url[0]
        eventually(lambda: "connected to the broker" in self._log.read_text())

    @property
    def cpu_s(self) -> float:
        """CPU time of all its processes so far, in seconds."""
        return self._cpu_s + cpu_s(self._process.pid)

    def memory_mb(self, field: str) -> float:
        """Return its memory now (VmRSS), or the peak of the current process (VmHWM)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.findall(rf"{field}:\s+(\d+) kB", status)[0]) / 1_000

    def kill(self) -> None:
        """Kill it like a power cut, and start it again."""
        self._cpu_s += cpu_s(self._process.pid)
        self._process.kill()
        self._close()
        self.kills += 1
        self._start()

    def stop(self) -> None:
        """Stop it with SIGTERM."""
        self._process.terminate()
        self._close()

    def _close(self) -> None:
        assert self._process.stdout
        self._process.stdout.close()
        self._process.wait(DEADLINE_S)

    def request(self, path: str) -> tuple[float, int]:
        """Request a page. Return the time in milliseconds and the size in bytes."""
        began = time.perf_counter()
        with urllib.request.urlopen(self.url + path, timeout=DEADLINE_S) as response:
            size = len(response.read())
        return (time.perf_counter() - began) * 1e3, size


@contextmanager
def base_station(folder: Path, database: str, port: int) -> Iterator[Base]:
    """Run a base station."""
    base = Base(folder, database, port)
    try:
        yield base
    finally:
        base.stop()


@dataclass(frozen=True, slots=True)
class Count:
    """Result for the rows of one kind."""

    sent: int
    lost: int
    """Sent, but not in the database."""
    doubled: int
    """In the database more than once, or never sent."""


def ids_of(messages: Iterable[SimulatedMessage]) -> dict[str, set[UUID]]:
    """Return the ids of all sent rows, by kind."""
    found: dict[str, set[UUID]] = {kind: set() for kind in BATCHES}
    for message in messages:
        if message.kind in BATCHES:
            found[message.kind] |= {row.id for row in BATCHES[message.kind].from_bytes(message.payload).rows}
    return found


def send_with_kills(base: Base, port: int, messages: Sequence[SimulatedMessage], kills: int) -> SentCounts:
    """Send all messages, and kill the base station `kills` times in between."""
    due = {len(messages) * n // (kills + 1) for n in range(1, kills + 1)}

    def with_kills() -> Iterator[SimulatedMessage]:
        for number, message in enumerate(messages):
            if number in due:
                base.kill()  # while about a hundred messages are unacknowledged
            yield message

    fleet = FleetSender("127.0.0.1", port)
    sent = fleet.send_all(with_kills())
    fleet.close()
    return sent


def count(database: str, sent: dict[str, set[UUID]]) -> dict[str, Count]:
    """Compare the sent ids with the stored ids."""
    engine = create_engine(database)
    found: dict[str, Count] = {}
    with engine.connect() as connection:
        for kind, ids in sent.items():
            stored = Counter(connection.scalars(select(TABLES[kind].c.id)))
            more = sum(times - 1 for times in stored.values()) + len(stored.keys() - ids)
            found[kind] = Count(len(ids), len(ids - stored.keys()), more)
    engine.dispose()
    return found


def is_rolled_up(database: str) -> bool:
    """Tell whether all stored rows are in the rollup tables."""
    engine = create_engine(database)
    with engine.connect() as connection:
        left: Any = connection.execute(select(stale_days.c.number).limit(1)).first()
    engine.dispose()
    return left is None


def most_frequent(database: str) -> str:
    """Return the species with the most calls; its pages take longest."""
    engine = create_engine(database)
    c = call_slots.c
    with engine.connect() as connection:
        query = select(c.species).group_by(c.species).order_by(func.sum(c.calls).desc()).limit(1)
        found = connection.scalar(query)
    engine.dispose()
    return str(found)


def page_table(base: Base, paths: Sequence[str]) -> None:
    """Print the time of each page."""
    print("| page | slowest of five, ms | of a core, ms | kB |\n|---|--:|--:|--:|")
    for path in paths:
        used = base.cpu_s
        took = [base.request(path) for _ in range(TIMES)]
        used = (base.cpu_s - used) / TIMES * 1e3
        print(f"| /{path} | {max(ms for ms, _ in took):.0f} | {used:.0f} | {took[0][1] / 1e3:.0f} |", flush=True)


def ingest_table(base: Base, database: str, port: int, messages: Sequence[SimulatedMessage], kills: int) -> None:
    """Send all messages, and print the counts and the speed."""
    sent = ids_of(messages)
    began = time.monotonic()
    rows = send_with_kills(base, port, messages, kills).rows
    took_s, used_s, peak_mb = time.monotonic() - began, base.cpu_s, base.memory_mb("VmHWM")
    eventually(lambda: is_rolled_up(database), 600)
    print("| rows | sent | lost | doubled |\n|---|--:|--:|--:|")
    for kind, found in count(database, sent).items():
        print(f"| {kind} | {found.sent:,} | {found.lost:,} | {found.doubled:,} |")
    print(f"\n{rows / took_s:,.0f} rows a second; {1_000 * used_s / rows:.2f} core-seconds of the base for 1,000")
    print(f"rolled up {time.monotonic() - began - took_s:.1f} s after the last acknowledgement")
    print(f"memory at most {peak_mb:.0f} MB")


def size_mb(folder: Path) -> float:
    """Return the size of a SQLite database with its write-ahead log, in MB."""
    return sum(path.stat().st_size for path in folder.glob("base.db*")) / 1e6


def main() -> None:
    """Run the benchmark, and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--nights", type=int, default=95)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--database")
    options = parser.parse_args()
    last = last_complete_night(datetime.now(UTC))
    first = last - timedelta(days=options.nights - 1)
    messages = [*season_messages(options.devices, options.nights, 1, last, CALENDAR_DATE)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        database = options.database or f"sqlite:///{folder / 'base.db'}"
        broker = Broker(folder, free_port(), "allow_anonymous true\n")
        broker.start()
        try:
            with base_station(folder, database, broker.port) as base:
                print(f"{options.devices} devices, {options.nights} nights, killed {options.kills} times\n")
                ingest_table(base, database, broker.port, messages, options.kills)
                print(f"database {size_mb(folder):,.0f} MB\n" if not options.database else "", flush=True)
                species = quote_plus(most_frequent(database))
                page_table(base, [page.format(first=first, last=last, species=species) for page in PAGES])
                print(f"\nmemory after the pages {base.memory_mb('VmRSS'):.0f} MB")
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
