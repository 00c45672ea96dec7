"""Corrects the times of rows that were heard before their device knew the time.

A device without a clock of its own says later, in a notice of the kind `clock_known`, by how much the times of a
recording were off. Rows and notice may come in any order, and each more than once: what has come is corrected whenever
either comes, and a row whose time is known is never touched again.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from anura_base.db.engine import key_matches
from anura_base.db.schema import effort, events, notices, unknown_clock
from anura_edge.audio import ClockSource
from anura_edge.events import NoticeKind


def correct_clocks(connection: Connection, journal: Mapping[str, Any], recordings: Collection[str]) -> None:
    """Shift the times of some recordings' rows whose clock is `unknown` as the device's notices say."""
    told = [*key_matches(notices, journal), notices.c.what == NoticeKind.CLOCK_KNOWN]
    # One for each recording: the others would find no row whose time is unknown, however many a device sends.
    first = (
        select(func.min(notices.c.seq)).where(*told, notices.c.recording.in_(recordings)).group_by(notices.c.recording)
    )
    known = select(notices.c.recording, notices.c.amount).where(*told, notices.c.seq.in_(first))
    for recording, seconds in connection.execute(known).all():
        _shift(connection, {**journal, "recording": recording}, seconds or 0.0)


def _shift(connection: Connection, which: Mapping[str, Any], seconds: float) -> None:
    for table in (events, effort):
        times = [name for name in ("start_utc", "end_utc") if name in table.c]
        rows = connection.execute(
            select(table.c.arrival, *(table.c[name] for name in times)).where(
                *key_matches(table, which), unknown_clock(table)
            )
        )
        try:
            moved = [
                {"b_arrival": row.arrival, **{name: getattr(row, name) + timedelta(seconds=seconds) for name in times}}
                for row in rows
            ]
        except OverflowError:
            return  # no such time: the notice is nonsense, and the rows keep their clock `unknown`
        if moved:
            values: dict[str, Any] = {name: bindparam(name) for name in times}
            query = update(table).where(table.c.arrival == bindparam("b_arrival"))
            connection.execute(query.values({**values, "clock_source": ClockSource.SYSTEM}), moved)
