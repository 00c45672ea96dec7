"""The received numbers of a journal survive in the database, with limits for hostile devices."""

from typing import Any
from uuid import uuid4

import pytest

from anura_base.db.schema import events
from anura_base.ingest import progress_table
from anura_edge.wire import MAX_SEQ, EventBatch, Refusal


def test_numbers_after_a_gap_are_stored(sender, make: Any) -> None:  # noqa: ANN001
    assert [sender.rows(make.event(seq)) for seq in (3, 5, 1, 2, 4)] == [0, 0, 1, 2, 4]
    assert sender.rows(make.event(5)) == 5


def test_rows_below_the_floor_count_as_missing(sender, make: Any) -> None:  # noqa: ANN001
    assert sender.rows(make.event(10), floor=8) == 7
    assert sender.rows(make.event(8), make.event(9), floor=8) == 9
    assert sender.view().missing == 7


def test_device_cannot_raise_the_floor_of_another(sender, new_sender: Any, make: Any) -> None:  # noqa: ANN001
    new_sender(device="hostile", journal=sender.journal).rows(make.event(1), floor=MAX_SEQ)
    assert sender.rows(make.event(2)) == 0


def test_missing_rows_are_summed_beyond_63_bits(sender, make: Any) -> None:  # noqa: ANN001
    for _ in range(3):
        sender.journal = uuid4()
        sender.rows(make.event(1), floor=MAX_SEQ)
    assert sender.view().missing == 3 * (MAX_SEQ - 2)


def test_journal_with_too_many_gaps_is_refused(sender, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(progress_table, "MAX_SPANS", 3)
    payload = EventBatch(journal=uuid4(), floor=1, rows=tuple(make.event(seq) for seq in (2, 4, 6, 8))).to_bytes()
    ((_, answer),) = sender.raw("anura/v1/INCT04/swamp-1/event", payload)
    assert "gaps" in Refusal.from_bytes(answer).reason
    assert sender.count(events) == 0
    assert "gaps" in sender.reasons()[0]
