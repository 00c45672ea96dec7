"""Rows wait in the order of their numbers, and no number is used twice."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import UUID

from anura_edge.events import Effort, Event
from anura_edge.store.journal import Journal
from anura_edge.wire import Owner, Provenance

MakeEvent = Callable[..., Event]


MakeEffort = Callable[..., Effort]


def test_pending_rows_are_ordered_and_limited(
    journal: Journal, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance
) -> None:
    for n in range(10):
        journal.commit([make_event(n)], [make_effort(n)], provenance)
    for after in range(21):
        for limit in (0, 1, 3, 100):
            found = [row.seq for row in [each.row for each in journal.outbox.pending(after, limit)]]
            assert found == list(range(after + 1, 21))[:limit]


def test_sequence_number_is_never_used_twice(path: Path, make_event: MakeEvent, provenance: Provenance) -> None:
    used: list[int] = []
    for n in range(5):
        with closing(Journal(path)) as journal:
            used += [row.seq for row in journal.commit([make_event(2 * n), make_event(2 * n + 1)], [], provenance)]
            journal.outbox.mark_delivered(used)
    assert used == list(range(1, 11))


def test_floor_is_the_lowest_pending_number(journal: Journal, make_event: MakeEvent, provenance: Provenance) -> None:
    assert journal.outbox.floor() == 1
    journal.commit([make_event(n) for n in range(3)], [], provenance)
    assert journal.outbox.floor() == 1
    journal.outbox.mark_delivered([2])
    assert journal.outbox.floor() == 1
    journal.outbox.mark_delivered([1])
    assert journal.outbox.floor() == 3
    journal.outbox.mark_delivered([3])
    assert journal.outbox.floor() == 4
    journal.outbox.mark_delivered([99])
    assert [row.seq for row in journal.commit([make_event(9)], [], provenance)] == [4]
    assert journal.outbox.floor() == 4


def test_renamed_rows_are_sent_again_under_the_new_name(
    path: Path, make_event: Callable[..., Event], provenance: Provenance
) -> None:
    with closing(Journal(path, Owner("pnod", "mic"))) as journal:
        journal.commit([make_event(0), make_event(1)], [], provenance)
        journal.outbox.mark_delivered([1])
    with closing(Journal(path, Owner("other", "mic"))) as journal:
        journal.commit([make_event(2)], [], provenance)
        assert journal.outbox.rename("site", "pnod", "pond") == 2
    with closing(Journal(path)) as journal:  # the checksums are right
        waiting = journal.outbox.pending(0, 9)
    assert [(each.seq, each.owner) for each in waiting] == [
        (1, ("pond", "mic")), (2, ("pond", "mic")), (3, ("other", "mic"))
    ]  # fmt: skip


def test_base_station_is_remembered(path: Path) -> None:
    with closing(Journal(path)) as journal:
        assert journal.outbox.base() is None
        journal.outbox.remember_base(UUID(int=7))
    with closing(Journal(path)) as journal:
        assert journal.outbox.base() == UUID(int=7)
