"""Rows of the database for exports. They are read in chunks, so any number of rows fits into memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Connection, Double, Select, Table, cast, func, select, union_all

from anura_base.analysis.rows import select_rows
from anura_base.config.settings import Site
from anura_base.db.schema import effort, events
from anura_edge.events import EffortState
from anura_edge.results.formats.parts import CHUNK_ROWS, FormatContext, RowValues
from anura_edge.results.formats.row_texts import recording_path


@dataclass(frozen=True, slots=True)
class ExportContext(FormatContext):
    """Data that an export of the base station needs in addition to its rows."""

    sites: Mapping[str, Site]
    confirmed: bool = False
    """Whether to export only the calls whose species a person confirmed or named."""

    def site(self, name: str) -> Site:
        """Return a site. An unknown site has no position and is in UTC."""
        return self.sites.get(name, Site())

    def place(self, name: str) -> Site:
        """Return where a site is, as `site` does."""
        return self.site(name)


def read_rows(connection: Connection, table: Table, context: ExportContext) -> Iterator[RowValues]:
    """Yield all rows in the order of their arrival."""
    return stream(connection, select_rows(table, confirmed=context.confirmed).order_by(table.c.arrival))


def read_calls(connection: Connection, context: ExportContext) -> Iterator[RowValues]:
    """Yield all calls in the order of the paths of their recordings, SITE/DEVICE/NAME, with `path` and `begin_s`."""
    recordings = _recordings()
    r, e = recordings.c, events.c
    same = (r.site == e.site) & (r.device == e.device) & (r.recording == e.recording)
    query = select_rows(events, confirmed=context.confirmed).add_columns(r.begin_s).join(recordings, same)
    order = r.site, r.device, r.name, r.recording, e.onset_sample, e.arrival
    for row in stream(connection, query.order_by(*order)):
        yield {**row, "path": recording_path(row["site"], row["device"], row["recording_name"])}


def stream(connection: Connection, query: Select[Any]) -> Iterator[RowValues]:
    """Yield the rows of a query. A part of them is in memory."""
    result = connection.execution_options(yield_per=CHUNK_ROWS).execute(query)
    for chunk in result.mappings().partitions():
        yield from (dict(row) for row in chunk)


def _recordings() -> CTE:
    """Return every recording with the length of all recordings before it, in the order of their paths."""
    e, f = events.c, effort.c
    columns = [(t.site, t.device, t.recording, t.recording_name.label("name")) for t in (e, f)]
    ends = union_all(
        select(*columns[0], (cast(e.offset_sample, Double) / e.rate_hz).label("end_s")),
        select(*columns[1], cast(f.first_sample + f.samples, Double) / f.rate_hz).where(f.state != EffortState.OFF),
    ).subquery()
    c = ends.c
    key = c.site, c.device, c.recording
    lengths = select(*key, func.min(c.name).label("name"), func.max(c.end_s).label("s")).group_by(*key).subquery()
    s = lengths.c
    before = func.sum(s.s).over(order_by=[s.site, s.device, s.name, s.recording], rows=(None, -1))
    return select(s.site, s.device, s.recording, s.name, func.coalesce(before, 0.0).label("begin_s")).cte("recordings")
