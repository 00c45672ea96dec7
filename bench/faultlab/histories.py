"""Random histories of devices and base stations: in the end each recording counts exactly once."""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select

from anura_base.db.incidents import IncidentKind
from anura_base.db.schema import effort, events, incidents, notices, replaced_recordings
from faultlab.world import World

KINDS: Mapping[str, Sequence[str]] = {
    "salvage after a second analysis": ("analyse", "analyse", "salvage", "resend"),
    "renamed site": ("analyse", "rename", "analyse", "rename"),
    "two readers of a card": ("analyse_by_all", "analyse_by_all"),
    "cloned memory card": ("analyse", "clone", "analyse_new", "analyse_new", "analyse_new"),
    "journal put back": ("analyse", "back_up", "analyse", "restore", "analyse"),
    "lost state folder": ("analyse", "lose_state", "analyse"),
    "two base stations": ("analyse", "add_base", "analyse"),
    "clock jumps": ("analyse", "clock_jump", "analyse", "clock_jump"),
    "growing files and headers": ("analyse", "grow", "grow_header", "analyse", "grow_header"),
}
"""The steps that each history of a kind has, in this order. Deliveries and other steps are between them."""

ANY = sorted({step for steps in KINDS.values() for step in steps} - {"add_base"})
MAX_BETWEEN = 3


@dataclass(slots=True)
class HistoryReport:
    """The result of histories. All counts but the first two must be 0."""

    histories: int = 0
    rows: int = 0
    """Rows that the devices committed."""
    lost: int = 0
    """Rows of the analysis that counts, and recordings that a device has marked as analysed, which no table has."""
    doubled: int = 0
    """Recordings of which more than one analysis counts, or that count beside the longer one that replaced them.

    Also rows that the analysis which counts does not have.
    """
    unaccounted: int = 0
    """Samples that the effort at the base station does not count, or counts twice."""
    waiting: int = 0
    """Rows that wait for ever."""
    untold: int = 0
    """Clones, and answers of a second base station, without an incident that tells them."""

    def __iadd__(self, other: "HistoryReport") -> "HistoryReport":
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self

    @property
    def violations(self) -> dict[str, int]:
        """The counts that are not 0 and must be."""
        names = ("lost", "doubled", "unaccounted", "waiting", "untold")
        return {name: count for name in names if (count := getattr(self, name))}


def run_histories(kind: str, count: int, seed: int) -> HistoryReport:
    """Run some histories of a kind."""
    report = HistoryReport()
    for number in range(count):
        with tempfile.TemporaryDirectory(prefix="anura-history-") as folder:
            report += run_history(Path(folder), KINDS[kind], seed + number)
    return report


def run_history(folder: Path, steps: Sequence[str], seed: int) -> HistoryReport:
    """Run one history, and compare its devices with its base station. An error names the seed and the steps."""
    world, done = World(folder, seed), list[str]()
    try:
        for step in _with_others(world, steps):
            device = world.chance.choice(world.devices)
            done.append(f"{step} {device.path.parent.name}")
            getattr(world, step)(device)
        report = HistoryReport(1, sum(map(len, world.made.values())))
        report.waiting += world.deliver_all()
        report += _compare(world)
        for device in world.devices:  # the cards are inserted again: what a journal has lost is analysed again
            world.scan(device)
        report.waiting += world.deliver_all()
        report += _compare(world)
        report += _compare_card(world)
        report.untold += world.untold
        if report.violations:
            print(f"seed {seed}, {report.violations}: {', '.join(done)}")
    except BaseException as error:  # also an interruption names the seed that repeats it
        error.add_note(f"seed {seed}: {', '.join(done)}")
        raise
    finally:
        world.close()
    return report


def _with_others(world: World, steps: Sequence[str]) -> Iterable[str]:
    """Yield the steps, with random other ones and deliveries between them."""
    for step in steps:
        yield step
        for _ in range(world.chance.randint(0, MAX_BETWEEN)):
            yield world.chance.choice(["some_delivery", world.chance.choice(ANY)])


def _compare(world: World) -> HistoryReport:
    """Compare what the journals have with what counts at the base station."""
    report = HistoryReport()
    counted = _counted(world)
    for recording, analyses in counted.items():
        report.doubled += len(analyses) - 1
        whole = {each for each, (id_, _) in world.made_by.items() if id_ == recording} - world.lost
        for analysis, ids in analyses.items():
            report.lost += len(world.made[analysis] - ids) if whole else 0
            report.doubled += len(ids - world.made[analysis])
    with world.base.connect() as connection:
        replaced = set(connection.scalars(select(replaced_recordings.c.recording)))
    for device in world.devices:
        with closing(device.open()) as journal, journal.database.reading() as db:
            marks = db.execute("SELECT id, replaced_by FROM recordings").fetchall()
        report.lost += sum(id_ not in counted for id_, by in marks if not by and id_ not in replaced)
        report.doubled += sum(id_ in counted for id_, by in marks if by in counted)
    report.untold += _untold_clones(world)
    return report


def _counted(world: World) -> Mapping[str, Mapping[UUID, set[UUID]]]:
    """Return the ids of the rows that count, by recording and analysis."""
    counted: defaultdict[str, defaultdict[UUID, set[UUID]]] = defaultdict(lambda: defaultdict(set))
    with world.base.connect() as connection:
        for table in (events, effort):
            for recording, analysis, id_ in connection.execute(select(table.c.recording, table.c.analysis, table.c.id)):
                counted[recording][analysis].add(id_)
    return counted


def _compare_card(world: World) -> HistoryReport:
    """Compare the files of the card with the effort. Each was analysed by each device, to its end."""
    report = HistoryReport()
    for name in world.card.names:
        recording = world.card.open(name).recording.id
        with world.base.connect() as connection:
            samples = connection.scalar(select(func.sum(effort.c.samples)).where(effort.c.recording == recording))
        report.unaccounted += abs(world.card.samples(name) - (samples or 0))
    return report


def _untold_clones(world: World) -> int:
    """Return the number of journals with two rows of one number without an incident that tells it."""
    with world.base.connect() as connection:
        told = {
            UUID(id_)
            for id_ in connection.scalars(
                select(incidents.c.subject).where(incidents.c.what == IncidentKind.CLONE.value)
            )
        }
        rows = {
            row
            for table in (events, effort, notices)
            for row in connection.execute(select(table.c.journal, table.c.seq, table.c.id))
        }
    numbers: defaultdict[tuple[UUID, int], set[UUID]] = defaultdict(set)
    for journal, seq, id_ in rows:
        numbers[journal, seq].add(id_)
    return len({journal for (journal, _), ids in numbers.items() if len(ids) > 1} - told)
