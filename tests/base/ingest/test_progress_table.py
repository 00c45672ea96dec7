"""The received numbers of a journal survive in the database, with limits for hostile devices."""

from typing import Any
from uuid import uuid4

import pytest

from anura_base.db.schema import events, journals, received
from anura_base.ingest import progress_table
from anura_edge.wire import MAX_SEQ, Ack, batch, parse_answer


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


def test_rows_of_a_journal_with_too_many_gaps_are_stored_and_told(
    sender,  # noqa: ANN001
    make: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress_table, "MAX_SPANS", 3)
    sent = [make.event(seq) for seq in (2, 4, 6, 8, 10, 3)]
    answers = [sender.raw("anura/v1/INCT04/swamp-1/event", batch(sender.journal, 1, [row])) for row in sent]
    assert all(isinstance(parse_answer(payload), Ack) for ((_, payload),) in answers)
    assert (sender.count(events), sender.count(received), sender.reasons()) == (6, 3, [])
    assert [(what, "gaps" in detail) for what, detail in sender.incidents()] == [("gaps", True)]


def test_rows_of_too_many_journals_are_stored_and_told(sender, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(progress_table, "MAX_JOURNALS", 2)
    for _ in range(4):
        sender.journal = uuid4()
        assert sender.rows(make.event(1)) == 1
    assert (sender.count(events), sender.count(journals), sender.reasons()) == (4, 2, [])
    assert [what for what, _ in sender.incidents()] == ["journals"]
