"""Objects that the routes of an application share. `create_app` stores them in `app.state`."""

from collections.abc import Mapping
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from sqlalchemy import Connection, Engine

from anura_base.analysis.sites import all_sites
from anura_base.config.settings import Site


class IngestStatus(Protocol):
    """What the web server reads from the ingest worker."""

    commits: int
    """Number of commits since the start."""
    healthy: bool
    """Whether the last commit succeeded."""


class RollupStatus(Protocol):
    """What the web server reads from the loop that makes the sums."""

    changes: int
    """How often the sums have changed since the start."""


class BrokerStatus(Protocol):
    """State of the connection to the broker."""

    @property
    def connected(self) -> bool:
        """Whether messages can be received."""


def from_state(name: str) -> Any:  # noqa: ANN401  (as FastAPI's Depends)
    """Return a dependency that reads an attribute of `app.state`."""

    async def read(request: Request) -> Any:  # noqa: ANN401
        return getattr(request.app.state, name)

    return Depends(read)


Database = Annotated[Engine, from_state("engine")]
ConfiguredSites = Annotated[Mapping[str, Site], from_state("configured_sites")]
"""The sites of the settings, by name."""


def sorted_sites(connection: Connection, configured: Mapping[str, Site]) -> dict[str, Site]:
    """Return all sites of the settings and of the devices, sorted by name."""
    return dict(sorted(all_sites(connection, configured).items()))
