"""Rows of cloned devices are all stored; people are told about clones and about a second base station."""

from typing import Any
from uuid import uuid4

from anura_base.db.engine import base_id
from anura_base.db.schema import events
from anura_edge.wire import Ack, topic


def test_clone_with_other_rows_under_known_numbers_is_told_and_loses_nothing(sender: Any, make: Any) -> None:
    original = [make.event(seq) for seq in (1, 2, 3)]
    sender.rows(*original)
    sender.rows(*original)  # sent again, as after a lost acknowledgement
    assert sender.incidents() == []
    clone = [make.event(seq) for seq in (3, 4)]
    sender.rows(*clone)
    sender.rows(make.event(4))
    assert sender.count(events) == 6
    ((what, detail),) = sender.incidents()
    assert what == "clone"
    assert str(sender.journal) in detail


def test_clone_under_another_name_is_told_and_a_renamed_device_is_not(sender: Any, new_sender: Any, make: Any) -> None:
    rows = [make.event(seq) for seq in (1, 2, 3)]
    sender.rows(*rows)
    renamed = new_sender(device="renamed", journal=sender.journal)
    renamed.rows(*rows, make.event(4))
    assert {what for what, _ in renamed.incidents() + sender.incidents()} <= {"owner"}
    clone = new_sender(device="clone", journal=sender.journal)
    clone.rows(make.event(5))
    renamed.rows(make.event(5))  # the numbers go on in both
    assert sender.count(events) == 6
    (incident,) = (detail for what, detail in renamed.incidents() if what == "clone")
    assert str(sender.journal) in incident


def test_row_that_was_removed_and_is_sent_again_is_no_clone(sender: Any, make: Any) -> None:
    rows = [make.event(seq) for seq in (1, 2)]
    sender.rows(*rows)
    with sender.engine.begin() as connection:
        connection.execute(events.delete())
    sender.rows(*rows)
    assert sender.incidents() == []


def test_answer_of_a_second_base_station_is_told_once(sender: Any, new_sender: Any) -> None:
    with sender.engine.connect() as connection:
        own = base_id(connection)
    other = uuid4()
    for base in (own, other, other):
        answer = Ack(base=base, journal=uuid4(), seq=1)
        assert sender.raw(topic("pond", "one", "ack"), answer.to_bytes()) == []
    ((what, detail),) = new_sender(device="").incidents()
    assert what == "second_base"
    assert str(other) in detail
    assert sender.reasons() == []
