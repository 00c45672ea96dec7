"""Rows of cloned devices are all stored; people are told about clones and about a second base station."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select

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


def test_two_computers_with_one_name_are_told_and_a_restart_is_not(sender: Any, new_sender: Any, make: Any) -> None:
    def report(boot: str, machine: str, after_s: float, running_s: float) -> None:
        message = make.health(boot_id=boot, machine=machine, running_s=running_s)
        sender.health(message, received_utc=datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=after_s))

    report("boot-1", "aaaa", 0, 9e5)
    report("boot-2", "aaaa", 120, 60)  # it was switched off and on
    report("boot-2", "aaaa", 7_200, 7_140)
    report("boot-3", "bbbb", 9_000, 1_900)  # another computer in its place, which ran before the last report came
    assert sender.incidents() == []
    sender.rows(make.event(1))
    clone = new_sender(journal=uuid4())
    clone.rows(make.event(1))
    report("boot-9", "cccc", 9_060, 9_060)
    report("boot-3", "bbbb", 9_120, 2_020)
    ((what, detail),) = sender.incidents()
    assert what == "two_machines"
    assert "cccc and bbbb" in detail or "bbbb and cccc" in detail
    with sender.engine.connect() as connection:
        assert {*connection.scalars(select(events.c.journal))} == {sender.journal, clone.journal}
