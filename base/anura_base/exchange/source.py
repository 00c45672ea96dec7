"""The database as a source of rows for the formats that the device writes, too."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from anura_base.analysis.effort import analysed_hours_by_night
from anura_base.db.schema import effort, events, unknown_clock
from anura_base.exchange.deployments import read_deployments
from anura_base.exchange.rows import ExportContext, read_calls, read_recordings, read_rows, read_taxa
from anura_edge.results.formats.parts import RowValues
from anura_edge.results.formats.source import Deployment, NightHours


@dataclass(frozen=True, slots=True)
class DatabaseSource:
    """A snapshot of the database; see `ResultSource`."""

    connection: Connection
    context: ExportContext

    def calls(self) -> Iterator[RowValues]:
        """Yield the calls in the order of their recordings."""
        return read_calls(self.connection, self.context)

    def events(self) -> Iterator[RowValues]:
        """Yield the calls in the order of their arrival."""
        return read_rows(self.connection, events, self.context)

    def effort(self) -> Iterator[RowValues]:
        """Yield the effort in the order of its arrival."""
        return read_rows(self.connection, effort, self.context)

    def deployments(self) -> list[Deployment]:
        """Return all deployments."""
        return read_deployments(self.connection)

    def recordings(self) -> Iterator[RowValues]:
        """Yield every recording."""
        return read_recordings(self.connection)

    def taxa(self) -> list[str]:
        """Return the scientific names of the calls."""
        return read_taxa(self.connection)

    def analysed_hours(self) -> NightHours:
        """Return the hours analysed in each night."""
        return analysed_hours_by_night(self.connection, self.context.sites, ~unknown_clock(effort))
