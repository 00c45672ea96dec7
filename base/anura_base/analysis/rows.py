"""Events and effort with what people said about them: the verdict, and the correction of the clock."""

from typing import Any

from sqlalchemy import Select, Table, select

from anura_base.analysis.clock_corrections import clock_corrections
from anura_base.analysis.verdicts import JUDGED_EVENTS, VERDICT_COLUMNS
from anura_base.db.schema import effort


def select_rows(table: Table) -> Select[Any]:
    """Return the query for all rows of `events` or `effort`: their columns, and those of verdict and correction."""
    c = clock_corrections.c
    columns = table, c.shift_s.label("clock_shift_s"), c.corrected_by, c.corrected_utc
    is_corrected = c.number == table.c.clock_correction
    if table is effort:
        return select(*columns).select_from(effort.outerjoin(clock_corrections, is_corrected))
    query = select(*columns, *VERDICT_COLUMNS)
    return query.select_from(JUDGED_EVENTS.outerjoin(clock_corrections, is_corrected))
