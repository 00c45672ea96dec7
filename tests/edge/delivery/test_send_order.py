"""Requested rows go first, then new rows, then the backlog in order."""

from collections.abc import Callable

import pytest

from anura_edge import wire
from anura_edge.delivery.actions import HeadRead, ReadHead, ReadPending, ReadRows, RowSource, RowsRead
from anura_edge.delivery.send_order import MAX_BATCH_ROWS, NEWEST_EVENTS, SendQueue
from anura_edge.events import Effort, Event
from anura_edge.wire import Owner, QueuedRow
from anura_edge.wire.rows import effort_row, event_row


@pytest.fixture
def row(
    make_event: Callable[..., Event], make_effort: Callable[..., Effort], provenance: wire.Provenance
) -> Callable[..., QueuedRow]:
    def make(seq: int, kind: str = "event", site: str = "s") -> QueuedRow:
        owner = Owner(site, "d")
        if kind == "event":
            return QueuedRow(event_row(seq, make_event(seq), provenance), owner)
        return QueuedRow(effort_row(seq, make_effort(seq), provenance), owner)

    return make


def any_row(_: QueuedRow) -> bool:
    return True


def test_newest_events_then_new_rows_then_backlog(row: Callable[..., QueuedRow]) -> None:
    queue = SendQueue()
    assert queue.next_read(with_backlog=True) == ReadHead(NEWEST_EVENTS)
    queue.set_head(HeadRead(9, [8, 9]))
    newest, new = ReadRows(RowSource.REQUESTED, [8, 9]), ReadPending(RowSource.NEW, 9, MAX_BATCH_ROWS)
    backlog = ReadPending(RowSource.BACKLOG, 0, MAX_BATCH_ROWS)
    assert queue.next_read(with_backlog=True) == newest
    assert queue.next_read(with_backlog=True) == new
    queue.add(RowsRead(new, [row(10)]))
    assert [each.seq for each in queue.next_batch(any_row)] == [10]
    after = ReadPending(RowSource.NEW, 10, MAX_BATCH_ROWS)
    assert queue.next_read(with_backlog=True) == after
    queue.add(RowsRead(after, []))
    assert queue.next_read(with_backlog=True) == backlog
    queue.add(RowsRead(backlog, [row(seq) for seq in (1, 2, 10)]))
    assert [each.seq for each in queue.next_batch(any_row)] == [1, 2], "row 10 is not in the backlog"
    assert queue.next_read(with_backlog=True) == after, "new rows overtake the backlog"


def test_rows_of_two_sites_are_in_separate_batches(row: Callable[..., QueuedRow]) -> None:
    queue, read = SendQueue(), ReadRows(RowSource.REQUESTED, [1, 2, 3])
    queue.add(RowsRead(read, [row(1, site="here"), row(2, site="there"), row(3, site="here")]))
    batches = [queue.next_batch(any_row) for _ in range(2)]
    assert [(batch[0].topic, [each.seq for each in batch]) for batch in batches] == [
        ("anura/v1/here/d/event", [1, 3]),
        ("anura/v1/there/d/event", [2]),
    ]


def test_batch_has_one_kind_and_only_allowed_rows(row: Callable[..., QueuedRow]) -> None:
    queue, read = SendQueue(), ReadRows(RowSource.REQUESTED, [1, 2, 3, 4])
    queue.add(RowsRead(read, [row(1), row(2, "effort"), row(3), row(4, "effort")]))
    assert [each.seq for each in queue.next_batch(lambda each: each.seq != 1)] == [3]
    assert [each.seq for each in queue.next_batch(any_row)] == [2, 4]
    assert not queue.next_batch(any_row)


def test_backlog_waits_if_it_may_not_be_sent() -> None:
    queue = SendQueue()
    queue.set_head(HeadRead(5, []))
    queue.next_read(with_backlog=False)
    queue.add(RowsRead(ReadPending(RowSource.NEW, 5, MAX_BATCH_ROWS), []))
    assert queue.next_read(with_backlog=False) is None
    assert isinstance(queue.next_read(with_backlog=True), ReadPending)
