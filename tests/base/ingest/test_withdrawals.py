"""A withdrawal removes the earlier rows of its recording, in any order of arrival."""

from itertools import permutations
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, select

from anura_base.db.schema import effort, events


def test_withdrawn_rows_are_removed_in_any_order(engine: Engine, new_sender: Any, make: Any) -> None:
    """Rows with numbers below the notice's are removed; later rows and other recordings stay."""
    rows = [make.event(1), make.effort(3), make.withdrawal(4), make.event(5), make.effort(6)]
    for number, order in enumerate([*permutations(rows)][::11]):
        sender = new_sender(device=f"swamp-{number}")
        fresh = [row.model_copy(update={"id": uuid4()}) for row in (make.event(2, recording="another"), *order)]
        for row in fresh + fresh:  # each row arrives twice
            sender.rows(row)
        for table, expected in ((events, {2, 5}), (effort, {6})):
            with engine.connect() as connection:
                left = connection.scalars(select(table.c.seq).where(table.c.device == sender.device))
                assert {*left} == expected


def test_withdrawal_applies_only_to_its_journal_and_model(new_sender: Any, make: Any) -> None:
    sender = new_sender()
    sender.rows(make.event(1), make.event(2, recording="another"))
    new_sender(device="swamp-2").rows(make.withdrawal(9))
    new_sender().rows(make.withdrawal(9))
    sender.rows(make.withdrawal(9, model_sha256="another"))
    assert sender.view().events == 2
    sender.rows(make.withdrawal(10))
    assert sender.view().events == 1
