"""Requested rows go first, then new rows, then the backlog in order."""

from collections.abc import Callable

import pytest

from anura_edge import wire
from anura_edge.delivery.actions import HeadRead, ReadHead, ReadPending, ReadRows, RowSource, RowsRead
from anura_edge.delivery.send_order import MAX_BATCH_ROWS, NEWEST_EVENTS, SendQueue
from anura_edge.events import Effort, Event
from anura_edge.wire import Row
from anura_edge.wire.rows import effort_row, event_row


@pytest.fixture
def row(
    make_event: Callable[..., Event], make_effort: Callable[..., Effort], provenance: wire.Provenance
) -> Callable[..., Row]:
    def make(seq: int, kind: str = "event") -> Row:
        if kind == "event":
            return event_row(seq, make_event(seq), provenance)
        return effort_row(seq, make_effort(seq), provenance)

    return make


def any_row(_: Row) -> bool:
    return True


def test_newest_events_then_new_rows_then_backlog(row: Callable[..., Row]) -> None:
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


def test_batch_has_one_kind_and_only_allowed_rows(row: Callable[..., Row]) -> None:
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
