"""Rows of the database for exports. They are read in chunks, so any number of rows fits into memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Double,
    Select,
    Table,
    case,
    cast,
    func,
    null,
    select,
    union,
    union_all,
)

from anura_base.analysis.rows import select_rows
from anura_base.analysis.verdicts import reviews
from anura_base.config.settings import Site
from anura_base.db.schema import effort, events
from anura_base.exchange.call_filter import ALL_CALLS, CallFilter, conditions
from anura_edge.audio import ClockSource
from anura_edge.events import EffortState
from anura_edge.results.formats.parts import CHUNK_ROWS, FormatContext, RowValues
from anura_edge.results.formats.row_texts import recording_path


@dataclass(frozen=True, slots=True)
class ExportContext(FormatContext):
    """Data that an export of the base station needs in addition to its rows."""

    sites: Mapping[str, Site]
    calls: CallFilter = ALL_CALLS
    """Which calls to export."""
    program: str = "anura-base"
    position_remedy: str = "set latitude_deg and longitude_deg under `sites`"

    def site(self, name: str) -> Site:
        """Return a site. An unknown site has no position and is in UTC."""
        return self.sites.get(name, Site())

    def place(self, name: str) -> Site:
        """Return where a site is, as `site` does."""
        return self.site(name)

    def title(self, site: str) -> str:
        """Return the name of a site for people."""
        return self.site(site).title or site

    def habitat(self, site: str) -> str:
        """Return the habitat of a site. Empty if it is unknown."""
        return self.site(site).habitat or ""


def read_rows(connection: Connection, table: Table, context: ExportContext) -> Iterator[RowValues]:
    """Yield all rows in the order of their arrival."""
    query = select_rows(table).order_by(table.c.arrival)
    return stream(connection, query if table is effort else query.where(*conditions(context.calls, context.sites)))


def read_calls(connection: Connection, context: ExportContext) -> Iterator[RowValues]:
    """Yield all calls in the order of the paths of their recordings, SITE/DEVICE/NAME, with `path` and `begin_s`."""
    recordings = _recordings()
    r, e = recordings.c, events.c
    same = (r.site == e.site) & (r.device == e.device) & (r.recording == e.recording)
    query = select_rows(events).add_columns(r.begin_s).join(recordings, same)
    query = query.where(*conditions(context.calls, context.sites))
    order = r.site, r.device, r.name, r.recording, e.onset_sample, e.arrival
    for row in stream(connection, query.order_by(*order)):
        yield {**row, "path": recording_path(row["site"], row["device"], row["recording_name"])}


def read_recordings(connection: Connection) -> Iterator[RowValues]:
    """Yield every recording with calls or effort, in the order of `read_calls`; see `ResultSource.recordings`."""
    e, f = events.c, effort.c
    columns = [
        (t.site, t.device, t.recording, t.recording_name, t.start_utc, t.rate_hz, t.clock_source) for t in (e, f)
    ]
    c = union_all(
        select(*columns[0], e.channel, _end_s(e.offset_sample, e.rate_hz).label("end_s")),
        select(*columns[1], null(), _end_s(f.first_sample + f.samples, f.rate_hz)).where(f.state != EffortState.OFF),
    ).subquery()
    r = c.c
    key, name = (r.site, r.device, r.recording), func.min(r.recording_name).label("recording_name")
    values = (
        func.min(r.start_utc).label("start_utc"),
        func.max(r.rate_hz).label("rate_hz"),
        (func.coalesce(func.max(r.channel), 0) + 1).label("channels"),
        func.max(r.end_s).label("length_s"),
        func.max(case((r.clock_source == ClockSource.UNKNOWN, 1), else_=0)).label("unknown"),
    )
    query = select(*key, name, *values).group_by(*key).order_by(r.site, r.device, name, r.recording)
    for row in stream(connection, query):
        yield {**row, "path": recording_path(row["site"], row["device"], row["recording_name"])}


def read_taxa(connection: Connection) -> list[str]:
    """Return the scientific names of calls and of verdicts, in alphabetical order."""
    names = union(select(events.c.scientific_name), select(reviews.c.scientific_name))
    return sorted(name for name in connection.scalars(names) if name)


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
        select(*columns[0], _end_s(e.offset_sample, e.rate_hz).label("end_s")),
        select(*columns[1], _end_s(f.first_sample + f.samples, f.rate_hz)).where(f.state != EffortState.OFF),
    ).subquery()
    c = ends.c
    key = c.site, c.device, c.recording
    lengths = select(*key, func.min(c.name).label("name"), func.max(c.end_s).label("s")).group_by(*key).subquery()
    s = lengths.c
    before = func.sum(s.s).over(order_by=[s.site, s.device, s.name, s.recording], rows=(None, -1))
    return select(s.site, s.device, s.recording, s.name, func.coalesce(before, 0.0).label("begin_s")).cte("recordings")


def _end_s(sample: ColumnElement[int], rate_hz: ColumnElement[int]) -> ColumnElement[Any]:
    return cast(sample, Double) / rate_hz
