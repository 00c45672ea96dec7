"""A device that dies at random and is started again, card after card, until it has died often enough."""

import random
from pathlib import Path
from uuid import UUID
from zlib import crc32

from faultlab.cards import samples_of, write_card
from faultlab.disk import Loss, copy, cut
from faultlab.field import Field
from faultlab.ledger import Ledger, Progress, committed, settle
from faultlab.nursery import Life, Nursery

FILES = 24
"""On a card: about 0.6 s of work, so that a device dies some times on each."""

LIFE_S = 0.4
"""The longest that a device lives before it is killed; it needs 0.1 s until the first commit."""

LIFE_OPERATIONS = 100
"""The most operations on its disk before the power goes; the first 30 or so make the journal."""

KILLED, SYNC_FAILED = -9, 5
"""Exit codes of a device that was killed, and of one whose journal failed."""

ENDED = (0, 8)
"""Exit codes of a scan that came to its end: 8 when it met a file that it could not read."""


class DeviceError(Exception):
    """A device did something else than die as told, or end."""


def kill_at_random(field: Field, deaths: int, seed: int, progress: Progress = lambda _: None) -> Ledger:
    """Kill a device that scans cards (SIGKILL) at random moments, start it again, and count."""
    choice, books = random.Random(seed), Ledger()
    with Nursery(field.folder) as nursery:
        while books.deaths < deaths:
            device = Device(field, f"kill-{seed}-{books.deaths}")
            while not device.done:
                device.live(nursery, choice.uniform(0, LIFE_S) if books.deaths + device.deaths < deaths else None)
            books += device.close()
            progress(books)
    return books


def cut_power(
    field: Field,
    recorder: Path,
    deaths: int,
    seed: int,
    progress: Progress = lambda _: None,
    *,
    lies: bool = False,
) -> Ledger:
    """Cut the power of a device that scans cards, at random operations on its disk, start it again, and count.

    If its disk lies about syncs, something must be lost, or this bench would see nothing.
    """
    choice, books = random.Random(seed), Ledger()
    with Nursery(field.folder, recorder) as nursery:
        while books.deaths < deaths:
            device = Device(field, f"{'lie' if lies else 'cut'}-{seed}-{books.deaths}")
            while not device.done:
                at = choice.randrange(1, LIFE_OPERATIONS) if books.deaths + device.deaths < deaths else 0
                device.live_on_a_disk(nursery, Loss.ALL if lies else choice.choice([*Loss]), choice, at=at, lie=lies)
            books += device.close()
            progress(books)
    return books


class Device:
    """A device with a card of its own, from its first life to the end of its scan."""

    def __init__(self, field: Field, name: str, files: int = FILES) -> None:
        self._field, self._name = field, name
        folder = field.folder / name
        self._card = write_card(folder / "card", files, seed=crc32(name.encode()))
        self.state = folder / "state"
        self._command = ["run", "--json", "--source", f"folder:{self._card}"]
        self._environment = field.environment(name, self.state)
        self.done = False
        """Whether its last life ended by itself, with everything delivered."""
        self.deaths = 0
        self._committed: set[UUID] = set()
        self._shown: set[UUID] = set()
        self._forgotten: set[UUID] = set()

    def live(self, nursery: Nursery, kill_after_s: float | None = None) -> Life:
        """Scan until the end, or until killed."""
        return self._take(nursery.live(self._command, self._environment, kill_after_s))

    def live_on_a_disk(self, nursery: Nursery, loss: Loss, choice: random.Random, **settings: int) -> Life:
        """Scan until the end, or until something happens to the disk: then it is left as the power cut left it.

        `settings` are those of powercut.c: at, fail_sync, lie.
        """
        before, log = self._field.folder / "before", self._field.folder / "disk.log"
        copy(self.state, before)
        log.unlink(missing_ok=True)
        recorder = {"ROOT": str(self.state), "LOG": str(log), "AT": "0", "FAIL_SYNC": "0", "LIE": "0"}
        recorder |= {name.upper(): str(int(value)) for name, value in settings.items()}
        settings_of_recorder = {f"POWERCUT_{name}": value for name, value in recorder.items()}
        life = nursery.live(self._command, {**self._environment, **settings_of_recorder})
        if life.code not in ENDED:
            cut(before, log, self.state, loss, choice)
        return self._take(life)

    def _take(self, life: Life) -> Life:
        if life.code not in (KILLED, SYNC_FAILED, *ENDED):
            raise DeviceError(f"{self._name} ended with {life.code}: {life.err}")
        self.deaths += life.code not in ENDED
        there = committed(self.state, self._field.folder / "scratch")
        self._shown |= {UUID(event["id"]) for event in life.lines("event")}
        self._forgotten |= self._shown - there
        self._committed |= there
        self.done = life.code in ENDED and all(summary["pending"] == 0 for summary in life.lines("summary"))
        return life

    def close(self) -> Ledger:
        """Compare with the base station."""
        books = settle(self._field, self._name, self.state, self._committed, samples_of(self._card))
        books.deaths, books.forgotten = self.deaths, len(self._forgotten)
        return books
