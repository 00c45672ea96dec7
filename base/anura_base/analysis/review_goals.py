"""Goals of reviews: how exactly the precision of a species at a site shall be known, and who reviews for it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import quote

from sqlalchemy import Connection, distinct, exists, func, select

from anura_base.analysis.precision import PrecisionEstimate, estimate_precision
from anura_base.analysis.reviews import ReviewOrder, next_event, reported_as
from anura_base.analysis.verdicts import is_opinion, reviews
from anura_base.db.page_settings import read_settings, write_setting
from anura_base.db.schema import events

SECTION = "review_goals"
MAX_GOALS = 200


@dataclass(frozen=True, slots=True)
class ReviewGoal:
    """The precision of a species at a site shall have an interval of ± `half_width`."""

    species: str
    site: str
    """Empty for all sites."""
    person: str
    """Who reviews for it. Empty for everyone."""
    half_width: float
    """Half of the length of the 95 % interval, as a share from 0 to 1."""
    set_by: str = ""

    @property
    def key(self) -> str:
        """Return the key of its setting. A second goal for the same person, species and site replaces the first."""
        return f"{SECTION}.{'|'.join(quote(text, safe='') for text in (self.species, self.site, self.person))}"


@dataclass(frozen=True, slots=True)
class GoalProgress:
    """How far the reviews of a goal are."""

    goal: ReviewGoal
    estimate: PrecisionEstimate
    by_person: int
    """Calls of the species at the site that the person has judged, in any order."""
    has_more_calls: bool
    """Whether a call without a review is left."""

    @property
    def reviewed(self) -> int:
        """Calls in the estimate."""
        return self.estimate.rows[0].reviewed if self.estimate.rows else 0

    @property
    def more(self) -> int | None:
        """About how many more random reviews reach the goal: 0 if it is reached, None before the first one."""
        return self.estimate.more_reviews(self.goal.half_width) if self.estimate.rows else None


def list_goals(connection: Connection) -> list[ReviewGoal]:
    """Return all goals, sorted by species, site and person."""
    found = [ReviewGoal(**value) for value in read_settings(connection, SECTION).values()]
    return sorted(found, key=lambda goal: (goal.species, goal.site, goal.person))


def set_goal(connection: Connection, goal: ReviewGoal) -> None:
    """Store a goal."""
    write_setting(connection, goal.key, asdict(goal), goal.set_by)


def remove_goal(connection: Connection, goal: ReviewGoal) -> None:
    """Remove the goal of the same person, species and site."""
    write_setting(connection, goal.key, None, goal.set_by)


def progress(connection: Connection, goals: Sequence[ReviewGoal]) -> list[GoalProgress]:
    """Return how far each goal is."""
    return [
        GoalProgress(
            goal,
            estimate_precision(connection, goal.species, goal.site),
            _judged_by(connection, goal) if goal.person else 0,
            next_event(connection, goal.species, goal.site, ReviewOrder.RANDOM) is not None,
        )
        for goal in goals
    ]


def _judged_by(connection: Connection, goal: ReviewGoal) -> int:
    population = reported_as(connection, goal.species, goal.site)
    of_population = exists(select(events.c.id).where(events.c.id == reviews.c.event_id, *population))
    own = reviews.c.reviewer == goal.person, is_opinion(reviews), of_population
    return connection.scalar(select(func.count(distinct(reviews.c.event_id))).where(*own)) or 0
