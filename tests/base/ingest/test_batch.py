"""Acknowledgements of batches. They do not depend on the SQL dialect, so SQLite is enough."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from anura_base.db.schema import events
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.wire import Ack, batch, digest, pack

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def test_only_rows_of_the_batch_are_acknowledged(sender, make: Any) -> None:  # noqa: ANN001
    sender.rows(*(make.event(seq) for seq in range(1, 101)))
    of_a_clone = [make.event(seq) for seq in range(1, 11)]  # other events with the same numbers
    assert sender.rows(*of_a_clone) == 10
    assert sender.count(events) == 110


def test_acknowledgement_names_received_and_missing_rows(sender, make: Any) -> None:  # noqa: ANN001
    assert sender.ack(make.event(9), make.event(11), floor=3) == (2, ((3, 8), (10, 10)))
    assert sender.ack(make.event(5), floor=3) == (2, ((3, 4),))
    assert sender.ack(make.event(3), make.event(4), floor=3) == (4, ())
    assert sender.ack(make.event(12), floor=3) == (5, ((6, 8), (10, 10)))


def test_batches_of_a_group_get_one_acknowledgement(engine: Engine, make: Any) -> None:
    journal = uuid4()
    groups = [(1, 2), (7, 8), (3,), (5,)]
    payloads = [batch(journal, 1, [make.event(seq) for seq in group]) for group in groups]
    with engine.begin() as connection:
        ((_, answer),) = ingest(connection, [RawMessage("anura/v1/a/b/event", each, False, NOW) for each in payloads])
    ack = Ack.from_bytes(answer)
    assert (ack.seq, ack.batches, ack.missing) == (3, tuple(map(digest, payloads)), ((4, 4), (6, 6)))


def test_compressed_batch_is_stored(sender, make: Any) -> None:  # noqa: ANN001
    rows = [make.event(seq) for seq in range(1, 51)]
    payload = batch(sender.journal, 1, rows)
    assert len(pack(payload)) < len(payload) / 4
    ((_, answer),) = sender.raw("anura/v1/INCT04/swamp-1/event", pack(payload))
    assert Ack.from_bytes(answer).seq == 50
