"""Correct the times of rows that were recorded before their device knew the time.

A device without a battery-backed clock reports later, in a notice `clock_known`, by how much the times of a recording
were wrong. Rows and notice may arrive in any order and more than once: the correction is applied whenever either
arrives, and a row whose clock source is known is never changed.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from anura_base.analysis.clock_corrections import shift_times
from anura_base.db.engine import key_matches
from anura_base.db.schema import effort, events, notices, unknown_clock
from anura_edge.audio import ClockSource
from anura_edge.events import NoticeKind


def correct_clocks(connection: Connection, journal: Mapping[str, Any], recordings: Collection[str]) -> None:
    """Shift the times of the rows of some recordings with an `unknown` clock by the amount in the device's notices."""
    clock_known = [*key_matches(notices, journal), notices.c.what == NoticeKind.CLOCK_KNOWN]
    # The first notice of each recording is enough: after it, no row of the recording has an unknown clock.
    in_recordings = notices.c.recording.in_(recordings)
    first = select(func.min(notices.c.seq)).where(*clock_known, in_recordings).group_by(notices.c.recording)
    query = select(notices.c.recording, notices.c.amount).where(*clock_known, notices.c.seq.in_(first))
    for recording, shift_s in connection.execute(query).all():
        for table in (events, effort):
            unknown = [*key_matches(table, {**journal, "recording": recording}), unknown_clock(table)]
            shift_times(connection, table, unknown, shift_s or 0.0, {"clock_source": ClockSource.SYSTEM})
