"""Devices, a card, and base stations. Journals, delivery rules, ingest and retention are real; MQTT is simulated."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from anura_base.config.settings import RetentionSettings
from anura_base.db.engine import open_database
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_base.ingest.retention import EVERY_S, RetentionJob
from anura_edge.config.device import DeviceSettings
from anura_edge.config.operation import JournalSettings, MqttSettings
from anura_edge.delivery.events import AckReceived, Closed, PubackReceived
from anura_edge.delivery.poison_rows import PoisonRowFinder
from anura_edge.delivery.publisher import RowPublisher
from anura_edge.errors import DeliveryError
from anura_edge.store.database import damaged_mark
from anura_edge.store.journal import Journal
from anura_edge.store.recovery import open_journal
from anura_edge.store.retention import Retention
from anura_edge.store.scan_history import AnalysedFile, ScanHistory
from anura_edge.wire import Owner
from faultlab.recordings import MODEL, Card, make_effort, make_events, make_provenance

START = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)
FATES = ("arrives", "arrives", "arrives", "lost", "not answered", "twice", "closed")
MAX_CONNECTIONS = 50
"""Rows that still wait after so many connections without a fault wait for ever."""


class Link:
    """The messages of one connection, which the world takes one by one."""

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
    backup: Path | None = None

    def open(self) -> Journal:
        """Open the journal, as the program does when it starts."""
        return open_journal(self.path, self.owner)

    def start(self) -> None:
        """Start the program and end it."""
        with closing(self.open()):
            pass


class World:
    """Two devices or more, a card, and a base station. Each public method with a device is a step of a history."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.card = Card(folder / "card", seed)
        self.base = open_database(f"sqlite:///{folder / 'base.db'}")
        self.second_base: Engine | None = None
        self.devices = [Device(folder / f"device-{n}" / "journal.db", Owner("pond", f"d{n}")) for n in range(2)]
        self.jump = timedelta()
        """The error of all clocks."""
        self.made: dict[UUID, set[UUID]] = {}
        """The ids of the rows of each analysis."""
        self.made_by: dict[UUID, tuple[str, Path]] = {}
        """The recording and the journal of each analysis."""
        self.lost: set[UUID] = set()
        """Analyses of journals that were lost, put back or damaged: some of their rows may never be delivered."""
        self.untold = 0
        """Answers of the second base station that a device neither accepted nor told."""

    def close(self) -> None:
        """Close the databases."""
        for engine in (self.base, self.second_base):
            if engine:
                engine.dispose()

    # Audio

    def analyse(self, device: Device) -> None:
        """Analyse a file of the card again, or for the first time, under random settings."""
        self._analyse(device, self.chance.choice(self.card.names), reanalyse=True)

    def analyse_by_all(self, _device: Device) -> None:
        """Let each device read the card in its own reader."""
        name = self.chance.choice(self.card.names)
        for device in self.devices:
            self._analyse(device, name, reanalyse=True)

    def analyse_new(self, device: Device) -> None:
        """Analyse a file that no other device has."""
        self._analyse(device, self.card.add(), reanalyse=False)

    def scan(self, device: Device) -> None:
        """Analyse the files of the card that the device does not know."""
        for name in self.card.names:
            self._analyse(device, name, reanalyse=False)

    def grow(self, _device: Device) -> None:
        """Record more of a file."""
        self.card.grow(self.chance.choice(self.card.names))

    def grow_header(self, _device: Device) -> None:
        """Change the length of a header: a note is added or removed."""
        self.card.change_header(self.chance.choice(self.card.names), self.chance.choice([0, 100, 4_000, 200_000]))

    def _analyse(self, device: Device, name: str, *, reanalyse: bool) -> None:
        sound = self.card.open(name)
        threshold = self.chance.randint(1, 3)
        with closing(device.open()) as journal:
            previous = ScanHistory(journal.database, MODEL).find(sound.identity)
            if previous and (previous.is_better or (previous.is_same and not reanalyse)):
                return
            recording = sound.recording
            done = AnalysedFile(
                recording, sound.file_bytes, sound.identity, None, is_whole=True,
                replaces=previous.recording if previous else None,
            )  # fmt: skip
            start = START + self.jump
            rows = journal.commit(
                make_events(recording, threshold, start),
                [make_effort(recording, start)],
                make_provenance(threshold),
                done,
            )
        self.made[done.analysis] = {row.id for row in rows if row.kind != "notice"}
        self.made_by[done.analysis] = recording.id, device.path

    # Journals

    def salvage(self, device: Device) -> None:
        """Damage a journal. Some of its rows may be lost."""
        device.start()
        if self.chance.random() < 0.5:
            self._lose(device)
            with closing(sqlite3.connect(device.path)) as db:
                db.execute("DELETE FROM event WHERE id IN (SELECT id FROM event LIMIT 3)")
                db.commit()
        damaged_mark(device.path).touch()

    def back_up(self, device: Device) -> None:
        device.start()
        device.backup = device.path.with_name("backup.db")
        shutil.copy(device.path, device.backup)

    def restore(self, device: Device) -> None:
        """Put an older copy of a journal back."""
        if device.backup:
            self._lose(device)
            device.path.with_name("journal.db-wal").unlink(missing_ok=True)
            shutil.copy(device.backup, device.path)

    def clone(self, device: Device) -> None:
        """Copy the memory card of a device for another one, which has the same name or another one."""
        if len(self.devices) < 4:
            device.start()
            path = self.folder / f"device-{len(self.devices)}" / "journal.db"
            path.parent.mkdir(parents=True)
            shutil.copy(device.path, path)
            name = self.chance.choice([device.owner.device, f"d{len(self.devices)}"])
            self.devices.append(Device(path, Owner(device.owner.site, name)))

    def lose_state(self, device: Device) -> None:
        """Lose a state folder: the next scan analyses all files again."""
        self._lose(device)
        shutil.rmtree(device.path.parent, ignore_errors=True)
        device.backup = None

    def rename(self, device: Device) -> None:
        """Give the site of a device another name, in its settings and its journal."""
        site = self.chance.choice(["pond", "creek"])
        with closing(device.open()) as journal:
            journal.outbox.rename("site", device.owner.site, site)
        device.owner = Owner(site, device.owner.device)

    def resend(self, device: Device) -> None:
        with closing(device.open()) as journal:
            journal.outbox.resend(None)

    def _lose(self, device: Device) -> None:
        self.lost |= {each for each, (_, path) in self.made_by.items() if path == device.path}

    # Clocks

    def clock_jump(self, device: Device) -> None:
        """Set all clocks to a wrong time, while retention runs on the device and at the base station."""
        self.jump = timedelta(days=self.chance.choice([-730, -1, 0, 1, 730]))
        with closing(device.open()) as journal:
            Retention(journal.database, JournalSettings(retention_days=1), device.owner).step()
        times_s = iter([0.0, 0.0, 0.0, EVERY_S, EVERY_S, EVERY_S])
        job = RetentionJob(RetentionSettings(events_days=1, effort_days=1), clock=lambda: next(times_s, EVERY_S))
        job.run_if_due(self.base)
        job.run_if_due(self.base)

    # Delivery

    def add_base(self, _device: Device) -> None:
        """Start a second base station on the broker."""
        self.second_base = self.second_base or open_database(f"sqlite:///{self.folder / 'second.db'}")

    def some_delivery(self, device: Device) -> None:
        """Deliver with random faults of the connection."""
        self._deliver(device, lambda: self.chance.choice(FATES))

    def deliver_all(self) -> int:
        """Deliver what all devices still have. Return the number of rows that wait for ever."""
        return sum(self._deliver_rest(device) for device in self.devices)

    def _deliver_rest(self, device: Device) -> int:
        waiting = 0
        for _ in range(MAX_CONNECTIONS):
            self._deliver(device, lambda: "arrives")
            with closing(device.open()) as journal:
                if not (waiting := journal.outbox.pending_count()):
                    break
        return waiting

    def _deliver(self, device: Device, fate: Callable[[], str]) -> None:
        """Deliver over one connection, until the device has nothing to send or the connection ends."""
        with closing(device.open()) as journal:
            link: Any = Link()
            settings = DeviceSettings(site=device.owner.site, name=device.owner.device)
            mqtt = MqttSettings(host="h", resend_s=3_600)
            publisher = RowPublisher(journal, settings, mqtt, link, 100_000, device.poison_rows)
            publisher.send()
            while link.sent:
                at = self.chance.randrange(min(2, len(link.sent)))
                mid, topic, payload = link.sent.pop(at)
                happened = fate()
                if happened == "closed":
                    with suppress(DeliveryError):
                        publisher.handle(Closed("over"))
                    return
                publisher.handle(PubackReceived(mid, accepted=True, reason="", blames_row=False))
                message = RawMessage(topic, payload, False, START + self.jump)
                if self.second_base and journal.outbox.base():
                    self._answer_second(message, publisher)
                for _ in range({"lost": 0, "twice": 2}.get(happened, 1)):
                    answers = _ingest(self.base, message)
                    for _, answer in answers if happened != "not answered" else ():
                        publisher.handle(AckReceived(answer))
                publisher.send()

    def _answer_second(self, message: RawMessage, publisher: RowPublisher) -> None:
        """Let the second base station answer, too. All clients of the broker receive its answer."""
        assert self.second_base
        for topic, answer in _ingest(self.second_base, message):
            _ingest(self.base, RawMessage(topic, answer, False, START))
            publisher.handle(AckReceived(answer))
            self.untold += not publisher.problem


def _ingest(base: Engine, message: RawMessage) -> list[tuple[str, bytes]]:
    with base.begin() as connection:
        return ingest(connection, [message])
