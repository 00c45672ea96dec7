"""Whose a row is. Rows of several sites and devices may wait in one journal."""

from dataclasses import dataclass
from typing import NamedTuple

from anura_edge.wire.rows import Row
from anura_edge.wire.topics import topic


class Owner(NamedTuple):
    """The site and the name of the device that made a row."""

    site: str = "site"
    device: str = "device"


@dataclass(frozen=True, slots=True)
class QueuedRow:
    """A row that waits in the outbox, and whose it is."""

    row: Row
    owner: Owner

    @property
    def seq(self) -> int:
        """The number of the row."""
        return self.row.seq

    @property
    def topic(self) -> str:
        """The topic on which the row is sent."""
        return topic(*self.owner, self.row.kind)
