"""Of the analyses of a recording exactly one counts, in any order of arrival, and no row of the others is lost."""

from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select

from anura_base.db.schema import analyses, effort, events, incidents, superseded_rows
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.wire import EventRow, NoticeRow, batch

FIRST, SECOND = UUID(int=1), UUID(int=2)


def whole(make: Any, analysis: UUID, *onsets: int, seq: int = 1, **changes: Any) -> list[EventRow]:
    """Make the rows of an analysis that found an event at each onset. Ids come from the onset."""
    return [
        make.event(seq + n, analysis=analysis, id=UUID(int=1_000 + onset), onset_sample=onset, **changes).model_copy(
            update={"analysis_rows": len(onsets)}
        )
        for n, onset in enumerate(onsets)
    ]


def counted(engine: Engine, recording: str = "b2:8f31") -> list[tuple[UUID, int]]:
    """Return the analysis and onset of each event that counts."""
    query = select(events.c.analysis, events.c.onset_sample).where(events.c.recording == recording)
    with engine.connect() as connection:
        return sorted((analysis, onset) for analysis, onset in connection.execute(query))


def test_later_analysis_counts_when_it_is_complete(engine: Engine, new_sender: Any, make: Any) -> None:
    """Of another journal, site and device: as after a lost state folder, or when two readers read a card."""
    new_sender().rows(*whole(make, FIRST, 10, 20))
    second = whole(make, SECOND, 20, 30, 40)
    other = new_sender(device="swamp-2")
    for row in second[:2]:
        other.rows(row)
        assert counted(engine) == [(FIRST, 10), (FIRST, 20)], "a part never replaces a whole"
    other.rows(second[2])
    assert counted(engine) == [(SECOND, 20), (SECOND, 30), (SECOND, 40)]
    new_sender().rows(*whole(make, FIRST, 10, 20))
    assert counted(engine) == [(SECOND, 20), (SECOND, 30), (SECOND, 40)], "a repeat is no news"
    with engine.connect() as connection:
        kept = connection.execute(select(superseded_rows.c.analysis, superseded_rows.c.id)).all()
        assert sorted(kept) == [(FIRST, UUID(int=1_010)), (FIRST, UUID(int=1_020))], "nothing delivered is deleted"
        (incident,) = connection.scalars(select(incidents.c.detail))
        assert "INCT04/swamp-1 are now of INCT04/swamp-2" in incident


def test_lost_timeline_deletes_no_row(engine: Engine, new_sender: Any, make: Any) -> None:
    """A journal from before a reanalysis was put back, and the recording was analysed again with a third threshold."""
    sender, third = new_sender(), UUID(int=3)
    sender.rows(*whole(make, FIRST, 10, 20))
    sender.rows(make.withdrawal(3, FIRST, analysis=SECOND))
    sender.rows(*whole(make, SECOND, 10, seq=4))
    sender.rows(make.withdrawal(3, FIRST, analysis=third))
    sender.rows(*whole(make, third, 10, 20, 30, seq=4))
    sender.rows(make.withdrawal(3, FIRST, analysis=SECOND))
    assert counted(engine) == [(third, 10), (third, 20), (third, 30)]


def test_order_of_arrival_does_not_matter(engine: Engine, new_sender: Any, make: Any) -> None:
    for number, order in enumerate(permutations(range(4))):
        recording = f"recording {number}"
        sender, first, second = new_sender(device=f"d-{number}"), uuid4(), uuid4()
        new = whole(make, second, 20, 30, recording=recording)
        messages = [
            [row.model_copy(update={"id": uuid4()}) for row in whole(make, first, 10, recording=recording)],
            [make.withdrawal(2, first, recording=recording, analysis=second)],
            [new[0].model_copy(update={"id": uuid4()})],
            [new[1].model_copy(update={"id": uuid4()})],
        ]
        for each in order:
            sender.rows(*messages[each])
        assert counted(engine, recording) == [(second, 20), (second, 30)], order


def test_longer_recording_counts_instead_of_its_part(engine: Engine, new_sender: Any, make: Any) -> None:
    part = whole(make, FIRST, 10)
    longer = [row.model_copy(update={"id": uuid4()}) for row in whole(make, SECOND, 10, 20, recording="longer")]
    notice: NoticeRow = make.withdrawal(9, FIRST, replaced_by="longer", analysis=SECOND)
    reader, other = new_sender(), new_sender(device="swamp-2")
    reader.rows(*part)
    reader.rows(notice)
    assert counted(engine) == [(FIRST, 10)], "the longer one is not there yet"
    reader.rows(*longer)
    assert counted(engine) == []
    other.rows(*whole(make, UUID(int=5), 10, 11))  # another reader has only the part
    assert counted(engine) == []
    assert counted(engine, "longer") == [(SECOND, 10), (SECOND, 20)]


def test_rows_that_were_renamed_on_the_device_get_their_new_owner(engine: Engine, new_sender: Any, make: Any) -> None:
    rows, effort_row = whole(make, FIRST, 10, 20), make.effort(9).model_copy(update={"analysis": FIRST})
    sender = new_sender()
    sender.rows(*rows)
    sender.rows(effort_row)
    renamed = new_sender(device="swamp-9", journal=sender.journal)
    renamed.rows(rows[0])
    with engine.connect() as connection:
        for table in (events, effort):
            assert set(connection.scalars(select(table.c.device))) == {"swamp-9"}


@pytest.mark.parametrize("newer", [[], [50, 60]], ids=["alone", "replaced"])
@pytest.mark.parametrize("names", ["ab", "aba", "abx", "bax", "aab", "xab"])
def test_renamed_rows_have_the_last_name_of_their_journal_in_any_group(
    engine: Engine, make: Any, names: str, newer: list[int]
) -> None:
    """x is another journal with the same analysis, as after a copy: its name does not count, and hides none.

    Rows that a newer analysis replaced have the last name, too.
    """
    rows = whole(make, FIRST, *range(10, 10 + len(names)))
    sent = [
        RawMessage(f"anura/v1/pond/{name}/event", batch(UUID(int=7 + (name == "x")), 1, [row]), False, row.end_utc)
        for name, row in zip(names, rows, strict=True)
    ]
    if replacing := whole(make, SECOND, *newer) if newer else []:
        sent.append(RawMessage("anura/v1/pond/z/event", batch(UUID(int=9), 1, replacing), False, rows[0].end_utc))
    owners = []
    for groups in ([[each] for each in sent], [sent]):
        with engine.connect() as connection, connection.begin() as transaction:
            for group in groups:
                ingest(connection, group)
            tables = ((events, events.c.id), (superseded_rows, superseded_rows.c.id), (analyses, analyses.c.analysis))
            owners.append([*(connection.scalars(select(t.c.device).order_by(key)).all() for t, key in tables)])
            transaction.rollback()
    assert owners[0] == owners[1]


def test_newer_part_replaces_an_older_part_with_equal_ids(engine: Engine, new_sender: Any, make: Any) -> None:
    new_sender().rows(*whole(make, FIRST, 10, 20, 30)[:2])
    second = whole(make, SECOND, 10, 20, 40)
    other = new_sender(device="swamp-2")
    for row in second:
        other.rows(row)
    assert counted(engine) == [(SECOND, 10), (SECOND, 20), (SECOND, 40)]
