"""Random histories of devices and their base station: in the end each recording counts exactly once.

A history has analyses, reanalyses under other settings, files that grow, damaged journals, journals that were put back
or cloned, other sites and names, two readers of one card, clocks that jump, a second base station that answers as well,
and messages that are lost, repeated or reordered. The real
journals, delivery rules and base station take part; only MQTT is simulated.
"""

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from identities import make_identity
from sqlalchemy import select

from anura_base.db.engine import open_database
from anura_base.db.schema import effort, events, superseded_rows
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.audio import ClockSource, Recording
from anura_edge.config.device import DeviceSettings
from anura_edge.config.operation import MqttSettings
from anura_edge.delivery.events import AckReceived, Closed, PubackReceived
from anura_edge.delivery.poison_rows import PoisonRowFinder
from anura_edge.delivery.publisher import RowPublisher
from anura_edge.errors import DeliveryError
from anura_edge.events import Effort, EffortState, Event, effort_id, event_id
from anura_edge.store.database import damaged_mark
from anura_edge.store.recovery import open_journal
from anura_edge.store.scan_history import AnalysedFile, ScanHistory
from anura_edge.wire import Owner, Provenance

MODEL = "5f" * 32
START = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)
FATES = ("arrives", "arrives", "arrives", "lost", "not answered", "twice", "closed")


class Link:
    """The messages of one connection, which a test takes one by one."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str, bytes]] = []
        self._mid = 0

    def subscribe(self, topic: str) -> None:
        pass

    def publish(self, topic: str, payload: bytes) -> int:
        self._mid += 1
        self.sent.append((self._mid, topic, payload))
        return self._mid


@dataclass
class Device:
    """A journal, and the site and name in its settings."""

    path: Path
    owner: Owner
    poison_rows: PoisonRowFinder = field(default_factory=PoisonRowFinder)


class World:
    """Devices, a base station, and the growing files on one card."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.engine = open_database(f"sqlite:///{folder / 'base.db'}")
        self.other_base = open_database(f"sqlite:///{folder / 'other-base.db'}")
        self.devices = [Device(folder / f"device-{n}" / "journal.db", Owner("pond", f"d{n}")) for n in range(2)]
        self.lengths = {"x": 1, "y": 1}
        self.clock_error = timedelta(0)
        self.made: dict[UUID, set[UUID]] = {}
        """The ids of the rows of each analysis."""
        self.made_by: dict[UUID, tuple[str, Path]] = {}
        """The recording and the journal of each analysis."""
        self.lost: set[UUID] = set()
        """Analyses of journals that were lost, put back or damaged: some of their rows may never be delivered."""
        self.backups: dict[Path, Path] = {}

    def analyse(self, device: Device) -> None:
        """Analyse a file under random settings, as a scan does."""
        name = self.chance.choice([*self.lengths])
        length, threshold = self.lengths[name], self.chance.randint(1, 3)
        provenance = Provenance("m", "1", MODEL, f"threshold {threshold}", "0")
        start = START + self.clock_error
        recording = Recording(f"{name}-{length}", f"{name}.wav", start, ClockSource.RECORDER, 10, 1, 10 * length)
        with closing(open_journal(device.path, device.owner)) as journal:
            history = ScanHistory(journal.database, MODEL)
            known = [n for n in range(1, length + 1) if history.find(make_identity(f"{name}-{n}"))]
            done = AnalysedFile(
                recording, length, make_identity(recording.id), None, is_whole=True,
                replaces=f"{name}-{known[-1]}" if known else None,
            )  # fmt: skip
            calls = [self._event(recording, n) for n in range(10 * length) if n % threshold == 0]
            rows = journal.commit(calls, [self._effort(recording)], provenance, done)
        self.made[done.analysis] = {row.id for row in rows if row.kind != "notice"}
        self.made_by[done.analysis] = recording.id, device.path

    def grow(self, _device: Device) -> None:
        """Let a file grow. Each length has an id of its own."""
        self.lengths[self.chance.choice([*self.lengths])] += 1

    def jump_clock(self, _device: Device) -> None:
        """Set the clock of the machine that analyses: rows of one recording may get times that are years apart."""
        self.clock_error = timedelta(days=self.chance.choice([-3_650, 0, 0, 3_650]))

    def salvage(self, device: Device) -> None:
        """Damage a journal. Some of its rows may be lost."""
        with closing(open_journal(device.path, device.owner)):
            pass
        if self.chance.random() < 0.5:
            self._lose(device)
            with closing(sqlite3.connect(device.path)) as db:
                db.execute("DELETE FROM event WHERE id IN (SELECT id FROM event LIMIT 3)")
                db.commit()
        damaged_mark(device.path).touch()

    def back_up(self, device: Device) -> None:
        with closing(open_journal(device.path, device.owner)):
            pass
        self.backups[device.path] = device.path.with_name("backup.db")
        shutil.copy(device.path, self.backups[device.path])

    def restore(self, device: Device) -> None:
        """Put an older copy of a journal back."""
        if backup := self.backups.get(device.path):
            self._lose(device)
            device.path.with_name("journal.db-wal").unlink(missing_ok=True)
            shutil.copy(backup, device.path)

    def clone(self, device: Device) -> None:
        """Copy the SD card of a device for another one."""
        if len(self.devices) < 4:
            with closing(open_journal(device.path, device.owner)):
                pass
            path = self.folder / f"device-{len(self.devices)}" / "journal.db"
            path.parent.mkdir(parents=True)
            shutil.copy(device.path, path)
            self.devices.append(Device(path, Owner(device.owner.site, f"d{len(self.devices)}")))

    def lose_state(self, device: Device) -> None:
        """Lose a state folder: the next scan analyses all files again."""
        self._lose(device)
        shutil.rmtree(device.path.parent, ignore_errors=True)
        self.backups.pop(device.path, None)

    def rename(self, device: Device) -> None:
        site = self.chance.choice(["pond", "creek"])
        with closing(open_journal(device.path, device.owner)) as journal:
            journal.outbox.rename("site", device.owner.site, site)
        device.owner = Owner(site, device.owner.device)

    def resend(self, device: Device) -> None:
        with closing(open_journal(device.path, device.owner)) as journal:
            journal.outbox.resend(None)

    def deliver(self, device: Device, fates: Iterator[str]) -> None:
        """Deliver over one connection, until the device has nothing to send or the connection ends."""
        with closing(open_journal(device.path, device.owner)) as journal:
            link: Any = Link()
            settings = DeviceSettings(site=device.owner.site, name=device.owner.device)
            mqtt = MqttSettings(host="h", resend_s=3_600)
            publisher = RowPublisher(journal, settings, mqtt, link, 100_000, device.poison_rows)
            publisher.send()
            while link.sent:
                at = self.chance.randrange(min(2, len(link.sent)))
                mid, topic, payload = link.sent.pop(at)
                fate = next(fates)
                if fate == "closed":
                    with suppress(DeliveryError):
                        publisher.handle(Closed("over"))
                    return
                publisher.handle(PubackReceived(mid, accepted=True, reason="", blames_row=False))
                for _ in range({"lost": 0, "twice": 2}.get(fate, 1)):
                    with self.engine.begin() as connection:
                        answers = ingest(connection, [RawMessage(topic, payload, False, START)])
                    for _, answer in answers if fate != "not answered" else ():
                        publisher.handle(AckReceived(answer))
                # A second base station has every message, and its answer counts for no device that knows the first one.
                if journal.outbox.base() and self.chance.random() < 0.3:
                    with self.other_base.begin() as connection:
                        answers = ingest(connection, [RawMessage(topic, payload, False, START)])
                    for _, answer in answers:
                        publisher.handle(AckReceived(answer))
                publisher.send()

    def some_delivery(self, device: Device) -> None:
        self.deliver(device, iter(lambda: self.chance.choice(FATES), None))

    def deliver_all(self) -> None:
        """Deliver what all devices still have."""
        for device in self.devices:
            for _ in range(50):
                self.deliver(device, iter(lambda: "arrives", None))
                with closing(open_journal(device.path, device.owner)) as journal:
                    if not journal.outbox.pending_count():
                        break
            else:
                pytest.fail("rows wait for ever")

    def check(self) -> None:
        """Each analysed file counts exactly once: by the whole of one analysis, of the longest version."""
        counted: dict[str, dict[UUID, set[UUID]]] = {}
        with self.engine.connect() as connection:
            for table in (events, effort):
                query = select(table.c.recording, table.c.analysis, table.c.id)
                for recording, analysis, id_ in connection.execute(query):
                    counted.setdefault(recording, {}).setdefault(analysis, set()).add(id_)
            kept = set(connection.scalars(select(superseded_rows.c.id)))
        for recording, analyses in counted.items():
            ((analysis, ids),) = analyses.items()  # one analysis
            others = {each for each, (name, _) in self.made_by.items() if name == recording} - self.lost
            if others:
                assert ids == self.made[analysis], f"{recording}: the whole of it, and nothing else"
            else:  # its file has grown since: nobody can analyse it again
                assert ids <= self.made[analysis]
        all_counted = {id_ for analyses in counted.values() for ids in analyses.values() for id_ in ids}
        assert not {id_ for ids in self.made.values() for id_ in ids} - all_counted - kept - self._undelivered()

    def check_longest(self) -> None:
        """Of each file that some device has, the longest version counts, and no shorter one that it replaced."""
        for device in self.devices:
            with closing(open_journal(device.path, device.owner)) as journal, journal.database.reading() as db:
                replaced = db.execute("SELECT id FROM recordings WHERE replaced_by IS NOT NULL").fetchall()
            with self.engine.connect() as connection:
                for (recording,) in replaced:
                    rows = connection.execute(select(events.c.id).where(events.c.recording == recording)).first()
                    assert rows is None, f"{recording} was replaced by a longer one"

    def _lose(self, device: Device) -> None:
        self.lost |= {each for each, (_, path) in self.made_by.items() if path == device.path}

    def _undelivered(self) -> set[UUID]:
        """Return rows that never left a device: a newer analysis replaced them there, or they are lost with it."""
        with self.engine.connect() as connection:
            there = {
                id_ for table in (events, effort, superseded_rows) for id_ in connection.scalars(select(table.c.id))
            }
        return {id_ for ids in self.made.values() for id_ in ids} - there

    def _event(self, recording: Recording, n: int) -> Event:
        return Event(
            event_id(recording.id, n, "LOW", MODEL), "LOW", "Tonus gravis", recording.id, recording.name, n, n + 1, 10,
            recording.start_utc, recording.start_utc, ClockSource.RECORDER, 0.9, 0.8, -30.0,
        )  # fmt: skip

    def _effort(self, recording: Recording) -> Effort:
        state, samples = EffortState.ANALYSED, recording.samples or 0
        id_ = effort_id(recording.id, 0, state, MODEL)
        return Effort(
            id_, recording.id, recording.name, state, 0, samples, 10, recording.start_utc, ClockSource.RECORDER
        )


STEPS = ("analyse", "analyse", "analyse", "grow", "salvage", "back_up", "restore", "clone", "lose_state", "rename")
STEPS += ("resend", "jump_clock", "some_delivery", "some_delivery", "some_delivery")


HISTORIES = int(os.environ.get("ANURA_HISTORIES", "12"))
"""Histories that are tried: `ANURA_HISTORIES=100` for a longer run."""


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_each_recording_counts_exactly_once_after_any_history(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed)
    log: list[str] = []
    try:
        for _ in range(world.chance.randint(5, 30)):
            step, device = world.chance.choice(STEPS), world.chance.choice(world.devices)
            log.append(f"{step} {device.path.parent.name}")
            getattr(world, step)(device)
        for device in world.devices:  # salvage may have lost rows: cards are scanned again
            world.analyse(device)
        world.deliver_all()
        world.check()
        world.check_longest()
    except BaseException as error:
        error.add_note(f"seed {seed}: {', '.join(log)}")
        raise
    finally:
        world.engine.dispose()
        world.other_base.dispose()
