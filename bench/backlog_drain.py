"""Delivery of a night's backlog over a slow link: `sudo .venv/bin/python bench/backlog_drain.py [--kbit 64]`.

A real delivery worker, mosquitto and base station. The latter two run in a network namespace behind a token bucket (tc
tbf) in both directions. While the broker is down, the device commits its rows: events, and one effort row after every
tenth. Then broker and base station start, and at the first connection the device commits one more event. The bytes are
those of the interface: with Ethernet, IP, TCP and MQTT headers, acknowledgements and health.
"""

import argparse
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from anura_edge.audio import ClockSource
from anura_edge.clips.finder import ClipFinder
from anura_edge.config.device import Config, DeviceSettings
from anura_edge.config.operation import MqttSettings
from anura_edge.delivery.clip_upload import ClipUploader
from anura_edge.delivery.worker import DeliveryWorker
from anura_edge.events import Effort, EffortState, Event, effort_id, event_id
from anura_edge.store.clip_index import ClipIndex
from anura_edge.store.journal import Journal
from anura_edge.wire import Owner, Provenance, Status

NAMESPACE, HERE, THERE = "anura-drain", "anura-here", "anura-there"
BROKER = "10.213.77.2"
PROVENANCE = Provenance("frogs-eastern-north-america", "1.0.0", "5f" * 32, "c0ffee012345", "0.1.0")
LABELS = ("PSECRU", "Pseudacris crucifer"), ("LITSPH", "Lithobates sphenocephalus"), ("ANAAME", "Anaxyrus americanus")
PER_EFFORT = 10


def event(n: int, rng: random.Random) -> Event:
    """Return an event with realistic values, which compress like those of a device."""
    recording = f"{n // 300:032x}"
    label, name = rng.choice(LABELS)
    begin = datetime(2026, 4, 12, 20, tzinfo=UTC) + timedelta(seconds=7 * n)
    onset, length = rng.randrange(80_000_000), rng.randrange(20_000, 300_000)
    return Event(
        id=event_id(recording, n, label, PROVENANCE.model_sha256),
        label=label,
        scientific_name=name,
        recording=recording,
        recording_name=f"Data/SITE_{begin:%Y%m%d_%H}0000.wav",
        onset_sample=onset,
        offset_sample=onset + length,
        rate_hz=24_000,
        start_utc=begin,
        end_utc=begin + timedelta(seconds=length / 24_000),
        clock_source=ClockSource.RECORDER,
        p_peak=rng.random(),
        p_mean=rng.random(),
        level_dbfs=-60 * rng.random(),
    )


def effort(n: int) -> Effort:
    """Return an effort row of one minute."""
    recording, begin = f"{n // 300:032x}", datetime(2026, 4, 12, 20, tzinfo=UTC) + timedelta(seconds=7 * n)
    return Effort(
        id=effort_id(recording, n, EffortState.ANALYSED, PROVENANCE.model_sha256),
        recording=recording,
        recording_name=f"Data/SITE_{begin:%Y%m%d_%H}0000.wav",
        state=EffortState.ANALYSED,
        first_sample=n * 1_440,
        samples=1_440_000,
        rate_hz=24_000,
        start_utc=begin,
        clock_source=ClockSource.RECORDER,
    )


def ip(*arguments: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *arguments], check=True)


@contextmanager
def slow_link(kbit: int) -> Iterator[None]:
    """Connect a new network namespace to this one by a link of `kbit` kbit/s each way."""
    inside = ["netns", "exec", NAMESPACE]
    ip("netns", "add", NAMESPACE)
    try:
        ip("link", "add", HERE, "type", "veth", "peer", "name", THERE, "netns", NAMESPACE)
        ip("address", "add", "10.213.77.1/30", "dev", HERE)
        ip("link", "set", HERE, "up")
        ip(*inside, "ip", "address", "add", f"{BROKER}/30", "dev", THERE)
        for name in (THERE, "lo"):
            ip(*inside, "ip", "link", "set", name, "up")
        bucket = ["root", "tbf", "rate", f"{kbit}kbit", "burst", "4kb", "latency", "2s"]
        subprocess.run(["tc", "qdisc", "add", "dev", HERE, *bucket], check=True)
        ip(*inside, "tc", "qdisc", "add", "dev", THERE, *bucket)
        yield
    finally:
        ip("netns", "delete", NAMESPACE)  # this removes the link, too


@contextmanager
def process(*command: str) -> Iterator[None]:
    """Run a command inside the namespace."""
    inside = ["ip", "netns", "exec", NAMESPACE, *command]
    running = subprocess.Popen(inside, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        running.terminate()
        running.wait()


def wire_bytes() -> tuple[int, int]:
    """Return the bytes sent and received."""
    folder = Path("/sys/class/net") / HERE / "statistics"
    out, back = (int((folder / name).read_text(encoding="utf-8")) for name in ("tx_bytes", "rx_bytes"))
    return out, back


def wait_until(check: Callable[[], object]) -> float:
    """Wait until `check` is true. Return the monotonic time."""
    while not check():
        time.sleep(0.05)
    return time.monotonic()


def ids_at(base: Path) -> set[UUID]:
    """Return the ids of the events in the base station's database; none before it has its tables."""
    try:
        with closing(sqlite3.connect(f"file:{base}?mode=ro", uri=True)) as db:
            return {UUID(str(text)) for (text,) in db.execute("SELECT id FROM events")}
    except sqlite3.OperationalError:
        return set()


def measure(folder: Path, kbit: int, rows: int) -> None:
    """Deliver one backlog, and print the figures."""
    rng = random.Random(7)
    mqtt = MqttSettings(host=BROKER, port=1883)
    config = Config(device=DeviceSettings(site="pond", name="one"), mqtt=mqtt)
    conf, base = folder / "mosquitto.conf", folder / "base.db"
    conf.write_text("user root\nlistener 1883\nallow_anonymous true\n", encoding="utf-8")
    run_base = "import sys; from anura_base.cli.main import main; main()"
    options = ("--database", f"sqlite:///{base}", "--mqtt", "127.0.0.1:1883", "--web", "127.0.0.1:8080")
    with closing(Journal(folder / "journal.db", Owner("pond", "one"))) as journal:
        index = ClipIndex(journal.database)
        clips = ClipUploader(
            ClipFinder(index, config.clips_path, config.clips, config.audio), index, config.clips, config.device, UTC
        )
        worker = DeliveryWorker(journal, config.device, mqtt, Status(state="online"), clips)
        worker.start()  # the broker does not run yet
        events = [event(n, rng) for n in range(rows)]
        for n in range(0, rows, PER_EFFORT):
            journal.commit(events[n : n + PER_EFFORT], [effort(n)], PROVENANCE)
        stored = sum(file.stat().st_size for file in folder.glob("journal.db*"))
        waiting = journal.outbox.pending_count()
        with process("mosquitto", "-c", str(conf)), process(sys.executable, "-c", run_base, "run", *options):
            connected = wait_until(lambda: worker.problem is None)
            alert = replace(event(rows, rng), id=uuid4())
            journal.commit([alert], [], PROVENANCE)
            worker.wake()
            first_alert = wait_until(lambda: alert.id in ids_at(base))
            drained = wait_until(lambda: journal.outbox.pending_count() == 0)
            there = ids_at(base)
            out, back = wire_bytes()
            worker.stop()
    assert there == {event.id for event in (*events, alert)}
    print("| link | rows | to drain | first new alert | bytes out | bytes back | bytes out a row | journal a row |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    print(
        f"| {kbit} kbit/s | {waiting:,} | {drained - connected:.0f} s | {first_alert - connected:.1f} s | {out:,} "
        f"| {back:,} | {out / waiting:.0f} | {stored / waiting:.0f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kbit", type=int, default=64)
    parser.add_argument("--rows", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, slow_link(arguments.kbit):
        measure(Path(folder), arguments.kbit, arguments.rows)


if __name__ == "__main__":
    main()
