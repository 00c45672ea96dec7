"""Reads results from a journal. A device may use the journal at the same time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from typing import Literal

from anura_edge.audio import ClockSource
from anura_edge.errors import ConfigError, JournalError
from anura_edge.events import EffortState
from anura_edge.results.formats.parts import FormatContext, RowValues
from anura_edge.results.journal_queries import BOUT, CALLS, EFFORT, RECORDINGS, to_bout, typed_row
from anura_edge.results.rows import Bout, RowFilter, SiteEffort
from anura_edge.store.database import Database
from anura_edge.store.rows import column_dicts
from anura_edge.wire import Owner


@dataclass(frozen=True, slots=True)
class AnalysingModel:
    """A model whose rows are in the journal."""

    id: str
    version: str
    sha256: str


class JournalReader:
    """The results of one model in one snapshot of a journal.

    A recording that two models analysed has rows of both. Only those of one model are read, so no hour and no call
    counts twice.
    """

    def __init__(self, db: Connection, row_filter: RowFilter) -> None:
        """Choose the model whose rows were stored last. Raises JournalError if the journal has no results."""
        self._db, self._filter = db, row_filter
        models = _models(db)
        if not models:
            raise JournalError("the journal has no results yet; analyse recordings with anura-edge scan FOLDER")
        self.model, self.other_models = models[0], models[1:]

    def sites(self) -> list[str]:
        """Return the names of the selected sites with effort or calls, in alphabetical order."""
        query = "SELECT site FROM event UNION SELECT site FROM effort ORDER BY site"
        return [site for (site,) in self._db.execute(query) if self._filter.has_site(site)]

    def check_species(self) -> None:
        """Check that each selected species has a call, so that a wrong name does not look like an absent frog.

        Raises ConfigError with the names that there are.
        """
        found = self._db.execute("SELECT DISTINCT label, scientific_name, common_name FROM event ORDER BY 2").fetchall()
        by_people = (self._filter.confirmed or {}).values()
        known = {name.casefold() for names in (*found, *by_people) for name in names}
        for name in self._filter.species:
            if name.casefold() not in known:
                there = ", ".join(scientific or label for label, scientific, _ in found) or "none"
                raise ConfigError(f"--species {name!r}: the journal has no call of it; its species are {there}")

    def bouts(self) -> Iterator[Bout]:
        """Yield the selected bouts whose time is known, in order of time."""
        query = f"SELECT {BOUT} FROM event WHERE model_sha256 = ? AND clock_source != ? ORDER BY start_utc, id"
        for columns in self._db.execute(query, (self.model.sha256, ClockSource.UNKNOWN)):
            bout = self._filter.named(to_bout(*columns))
            if bout and self._filter.has_bout(bout):
                yield bout

    def calls(self, context: FormatContext) -> Iterator[RowValues]:
        """Yield the selected bouts as rows for the writers of formats, in the order of their recordings.

        Raises ConfigError if nights are selected and the zone of a site is not known.
        """
        values = {"model": self.model.sha256, "off": EffortState.OFF}
        for row in column_dicts(self._db.execute(CALLS, values)):
            call = self._named_call(row)
            if call and self._is_in_nights(call, context):
                yield call

    def recordings(self, context: FormatContext) -> Iterator[RowValues]:
        """Yield every recording of the selected sites and nights; see `ResultSource.recordings`."""
        values = {"model": self.model.sha256, "off": EffortState.OFF, "unknown": ClockSource.UNKNOWN}
        for row in column_dicts(self._db.execute(RECORDINGS, values)):
            recording = typed_row(row)
            if self._filter.has_site(recording["site"]) and self._is_in_nights(recording, context):
                yield recording

    def effort_rows(self, context: FormatContext) -> Iterator[RowValues]:
        """Yield the effort of the selected sites and nights as rows for the writers of formats, by time."""
        query = "SELECT * FROM effort WHERE model_sha256 = ? ORDER BY start_utc, id"
        for row in column_dicts(self._db.execute(query, (self.model.sha256,))):
            piece = typed_row(row)
            if self._filter.has_site(piece["site"]) and self._is_in_nights(piece, context):
                yield piece

    def _named_call(self, row: dict[str, object]) -> RowValues | None:
        """Return a row of CALLS under the name that a person gave it. None if it is not selected."""
        if self._filter.has_all_bouts:
            return typed_row(row)
        bout = self._filter.named(to_bout(*(row[name] for name in BOUT.split(", "))))  # type: ignore[arg-type]
        if bout is None or not self._filter.has_bout(bout):
            return None
        names = {name: getattr(bout, name) for name in ("label", "scientific_name", "common_name")}
        return {**typed_row(row), **names}

    def _is_in_nights(self, row: RowValues, context: FormatContext) -> bool:
        """Return whether a row is of a selected night.

        Raises ConfigError if nights are selected and the zone of its site is not known.
        """
        if not self._filter.has_nights:
            return True
        if row["clock_source"] == ClockSource.UNKNOWN:
            return False
        night = context.night(row)
        if night is None:
            raise ConfigError(
                f"nights of {row['site']} need its time zone; write --zone, as in --zone America/Sao_Paulo"
            )
        return self._filter.has_night(night)

    def count(self, kind: Literal["event", "effort"]) -> int:
        """Return the number of rows of the model, selected or not."""
        query = f"SELECT count(*) FROM {kind} WHERE model_sha256 = ?"
        return int(self._db.execute(query, (self.model.sha256,)).fetchone()[0])

    def effort(self) -> Iterator[SiteEffort]:
        """Yield the effort of the selected sites whose time is known, in order of time."""
        query = f"SELECT {EFFORT} FROM effort WHERE model_sha256 = ? AND clock_source != ? ORDER BY start_utc, id"
        for site, device, state, start, samples, rate_hz in self._db.execute(
            query, (self.model.sha256, ClockSource.UNKNOWN)
        ):
            if self._filter.has_site(site):
                start_utc = datetime.fromisoformat(start)
                end_utc = start_utc + timedelta(seconds=samples / rate_hz)
                yield SiteEffort(Owner(site, device), EffortState(state), start_utc, end_utc)

    def analysed_recordings(self) -> set[str]:
        """Return the names of the recordings of which audio was analysed."""
        query = "SELECT DISTINCT recording_name FROM effort WHERE model_sha256 = ? AND state = ?"
        return {name for (name,) in self._db.execute(query, (self.model.sha256, EffortState.ANALYSED))}

    def without_time(self) -> tuple[int, float]:
        """Return the number of events, and the hours analysed, whose time is not known. No table contains them."""
        values = (self.model.sha256, ClockSource.UNKNOWN)
        where = "WHERE model_sha256 = ? AND clock_source = ?"
        (events,) = self._db.execute(f"SELECT count(*) FROM event {where}", values).fetchone()
        query = f"SELECT total(1.0 * samples / rate_hz) / 3600 FROM effort {where} AND state = 'analysed'"
        return events, self._db.execute(query, values).fetchone()[0]

    def least_trusted_clock(self, begin_utc: datetime, end_utc: datetime) -> ClockSource | None:
        """Return the least trusted known clock of the effort that begins in an interval. None without such effort."""
        query = "SELECT DISTINCT clock_source, start_utc FROM effort WHERE model_sha256 = ? AND clock_source != ?"
        rows = self._db.execute(query, (self.model.sha256, ClockSource.UNKNOWN))
        found = {clock for clock, start in rows if begin_utc <= datetime.fromisoformat(start) < end_utc}
        return max(map(ClockSource, found), key=[*ClockSource].index, default=None)

    def unreadable(self) -> Counter[str]:
        """Return the number of files that could not be analysed, by reason."""
        return Counter(dict(self._db.execute("SELECT reason, count(*) FROM unreadable GROUP BY reason")))


@contextmanager
def open_results(journal: Path, row_filter: RowFilter) -> Iterator[JournalReader]:
    """Open a journal, of this version or an earlier one, and read one snapshot of it.

    Raises JournalError if there is none, if it has no results, or if it cannot be read.
    """
    if not journal.is_file():
        raise JournalError(f"no journal {journal}; analyse recordings with anura-edge scan FOLDER, or set state_dir")
    database = Database(journal, Owner())
    try:
        with database.reading() as db:
            db.execute("BEGIN")
            yield JournalReader(db, row_filter)
            db.execute("ROLLBACK")
    finally:
        database.close()


def _models(db: Connection) -> list[AnalysingModel]:
    """Return the models of the journal, the one whose rows were stored last first."""
    query = """
        SELECT model_id, model_version, model_sha256 FROM effort
        LEFT JOIN (SELECT seq, id FROM outbox UNION ALL SELECT seq, id FROM settled) USING (id)
        GROUP BY model_sha256 ORDER BY max(seq) DESC
    """
    return [AnalysingModel(*columns) for columns in db.execute(query)]
