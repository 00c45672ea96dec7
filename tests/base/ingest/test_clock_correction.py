"""Times of rows with an unknown clock are corrected once, in any order of arrival."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.event import listen

from anura_base.db.schema import effort, events
from anura_edge.audio import ClockSource
from anura_edge.events import Notice, NoticeKind
from anura_edge.wire import NoticeRow, Provenance, notice_row

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def clock_known(seq: int, shift_s: float) -> NoticeRow:
    notice = Notice(uuid4(), NoticeKind.CLOCK_KNOWN, NOW, "the clock was set", "b2:8f31", shift_s)
    return notice_row(seq, notice, Provenance("", "", "", "", "0.1.0"))


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2), (0, 3, 0, 1, 2, 3)])
def test_unknown_times_are_shifted_once_in_any_order(sender, make: Any, order: tuple[int, ...]) -> None:  # noqa: ANN001
    unknown, known = make.event(1, clock_source="unknown"), make.event(2)
    hour = make.effort(3).model_copy(update={"clock_source": ClockSource.UNKNOWN})
    rows = [unknown, known, hour, clock_known(4, 3_600.5)]
    for number in order:
        sender.rows(rows[number])
    shift = timedelta(seconds=3_600.5)
    with sender.engine.connect() as connection:
        columns = events.c.seq, events.c.start_utc, events.c.end_utc, events.c.clock_source
        assert sorted(map(tuple, connection.execute(select(*columns)))) == [
            (1, unknown.start_utc + shift, unknown.end_utc + shift, "system"),
            (2, known.start_utc, known.end_utc, "recorder"),
        ]
        assert [*map(tuple, connection.execute(select(effort.c.start_utc, effort.c.clock_source)))] == [
            (hour.start_utc + shift, "system")
        ]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)  # PostgreSQL's plan depends on the number of rows
def test_correction_reads_the_index_of_unknown_clocks(sender, make: Any) -> None:  # noqa: ANN001
    """With another index the database would read all rows of a device for each batch."""
    sender.rows(make.event(1, clock_source="unknown"))
    sender.rows(clock_known(2, 5.0))
    plans = []

    def explain(connection, cursor, statement, parameters, *_) -> None:  # noqa: ANN001, ANN002
        if statement.startswith("SELECT") and "'unknown'" in statement:
            plans.append(cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()[0][-1])

    listen(sender.engine, "before_cursor_execute", explain)
    sender.rows(make.event(3))
    assert ["_of_unknown_clock" in plan for plan in plans] == [True, True]


def test_foreign_or_absurd_notice_shifts_no_time(sender, new_sender: Any, make: Any) -> None:  # noqa: ANN001
    row = make.event(1, clock_source="unknown")
    sender.rows(row)
    new_sender(device="hostile", journal=sender.journal).rows(clock_known(1, 5.0))
    sender.rows(clock_known(2, 1e15))
    with sender.engine.connect() as connection:
        assert connection.scalar(select(events.c.start_utc)) == row.start_utc
