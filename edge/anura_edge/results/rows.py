"""Rows of results, and the filter that selects them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from uuid import UUID

from anura_edge.events import EffortState
from anura_edge.wire import Owner


@dataclass(frozen=True, slots=True)
class Bout:
    """An event of the journal. It may be one call, or many calls with pauses below `detect.merge_gap_s`."""

    id: UUID
    owner: Owner
    label: str
    scientific_name: str
    common_name: str
    score: float
    """Highest score of its frames."""
    start_utc: datetime
    end_utc: datetime
    recording: str
    recording_name: str
    onset_sample: int
    offset_sample: int
    rate_hz: int

    @property
    def name(self) -> str:
        """The scientific name, or the label if there is none."""
        return self.scientific_name or self.label


@dataclass(frozen=True, slots=True)
class SiteEffort:
    """A span of time of one device in one state of effort."""

    owner: Owner
    state: EffortState
    start_utc: datetime
    end_utc: datetime


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows to read. Nights are selected later, because they depend on the zone of the site."""

    sites: Collection[str] = ()
    """Names of sites. Empty: all."""
    species: Collection[str] = ()
    """Labels, scientific or common names, in any case. Empty: all."""
    min_score: float = 0.0
    confirmed: Mapping[UUID, tuple[str, str]] | None = None
    """Label and scientific name of each event that a person confirmed or named. None: all events, by the model."""
    first_night: date | None = None
    last_night: date | None = None
    _names: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", frozenset(name.casefold() for name in self.species))

    @property
    def has_all_bouts(self) -> bool:
        """Whether every bout of the selected nights is selected, under the name that the model gave it."""
        return not (self.sites or self.species or self.min_score) and self.confirmed is None

    @property
    def has_nights(self) -> bool:
        """Whether nights are selected."""
        return self.first_night is not None or self.last_night is not None

    def has_night(self, night: date) -> bool:
        """Tell whether a night is among the selected ones."""
        return (self.first_night is None or night >= self.first_night) and (
            self.last_night is None or night <= self.last_night
        )

    def has_site(self, site: str) -> bool:
        """Tell whether a site is among the selected ones."""
        return not self.sites or site in self.sites

    def named(self, bout: Bout) -> Bout | None:
        """Return a bout under the name that a person gave it. None if only confirmed ones are selected."""
        if self.confirmed is None:
            return bout
        if not (names := self.confirmed.get(bout.id)):
            return None
        common_name = bout.common_name if names[0] == bout.label else ""
        return replace(bout, label=names[0], scientific_name=names[1], common_name=common_name)

    def has_bout(self, bout: Bout) -> bool:
        """Tell whether a bout is of a selected site and species, and has the score."""
        names = {bout.label.casefold(), bout.scientific_name.casefold(), bout.common_name.casefold()}
        return (
            self.has_site(bout.owner.site)
            and (not self._names or bool(self._names & names))
            and bout.score >= self.min_score
        )
