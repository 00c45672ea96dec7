"""Rows are stored once and as they were sent, from any device."""

from datetime import timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from anura_base.db import queries
from anura_base.db.engine import insert_new
from anura_base.db.schema import effort, events, notices
from anura_edge.wire import EffortRow, EventRow, NoticeRow


def test_rows_of_two_kinds_share_one_sequence(sender, make: Any) -> None:  # noqa: ANN001
    assert sender.rows(make.event(1), make.event(2)) == 2
    assert sender.rows(make.effort(3, hours=1.5)) == 3
    assert (sender.view().events, sender.view().effort_h["analysed"]) == (2, 1.5)


def test_stored_event_equals_the_sent_event(sender, make: Any) -> None:  # noqa: ANN001
    event = make.event(1)
    sender.rows(event)
    with sender.engine.connect() as connection:
        (stored,) = queries.rows_after(connection, events, 0, 10)
    assert EventRow(**stored) == event


@pytest.mark.parametrize(("row", "table"), [(EventRow, events), (EffortRow, effort), (NoticeRow, notices)])
def test_each_wire_field_has_a_column(row: Any, table: Any) -> None:
    assert set(row.model_fields) <= set(table.c.keys())


def test_repeated_batch_is_stored_once_and_acknowledged_again(sender, make: Any) -> None:  # noqa: ANN001
    rows = make.event(1), make.event(2)
    assert [sender.rows(*rows), sender.rows(*rows)] == [2, 2]
    assert sender.count(events) == 2


def test_row_of_two_devices_belongs_to_the_first(sender, new_sender: Any, make: Any) -> None:  # noqa: ANN001
    event, other = make.event(1), new_sender(device="swamp-2")
    assert [sender.rows(event), other.rows(event)] == [1, 1]
    assert (sender.view().events, other.view().events) == (1, 0)


def test_rows_that_are_stored_together_equal_those_that_are_stored_one_by_one(sender, make: Any) -> None:  # noqa: ANN001
    """Many rows are converted column by column, with times in any zone and fields that are empty."""
    zone = timezone(timedelta(hours=10))
    rows = [make.event(seq, channel=None if seq % 2 else 1, common_name="é" * seq) for seq in range(1, 101)]
    rows = [
        row.model_copy(update={"start_utc": row.start_utc.astimezone(zone)}) if row.seq % 3 else row for row in rows
    ]
    stored = []
    with sender.engine.connect() as connection:
        for size in (100, 1):
            with connection.begin() as transaction:
                common = {"site": "pond", "device": "one", "journal": UUID(int=7), "received_utc": rows[0].end_utc}
                values = [{**vars(row), **common} for row in rows]
                for at in range(0, 100, size):
                    insert_new(connection, events, values[at : at + size])
                    insert_new(connection, events, values[at : at + size])
                columns = [column for column in events.c if column.name != "arrival"]
                stored.append(connection.execute(select(*columns).order_by(events.c.seq)).all())
                transaction.rollback()
    assert stored[0] == stored[1]
    assert len(stored[0]) == 100
