"""The page that shows how far the reviews are, and where reviewers are given species and sites."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access.accounts import list_users
from anura_base.access.roles import Principal, Role
from anura_base.analysis import review_goals
from anura_base.analysis.known_nights import list_species
from anura_base.analysis.review_goals import MAX_GOALS, ReviewGoal
from anura_base.web.auth.visitor import NEEDS_VIEWER, Reviewer, Viewer
from anura_base.web.changes import apply_change
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, sorted_sites
from anura_base.web.templating import root_of
from anura_edge.errors import ConfigError

HALF_WIDTHS = (0.03, 0.05, 0.1)

Species = Annotated[str, Form(min_length=1, max_length=600)]
SiteName = Annotated[str, Form(max_length=64)]
Person = Annotated[str, Form(max_length=64)]

router = APIRouter(prefix="/review/progress", dependencies=[NEEDS_VIEWER])


@router.get("", response_class=HTMLResponse)
def progress_page(
    request: Request, viewer: Viewer, engine: Database, configured_sites: ConfiguredSites
) -> HTMLResponse:
    """Show the goals and how far each is."""
    with engine.connect() as connection:
        values = {
            "found": review_goals.progress(connection, review_goals.list_goals(connection)),
            "all_species": list_species(connection, rejected=True),
            "sites": sorted_sites(connection, configured_sites),
            "people": _people(connection, viewer),
            "half_widths": HALF_WIDTHS,
            "may_review": viewer.role.allows(Role.REVIEW),
        }
    return page(request, "review_progress.html", **values)


@router.post("")
def set_goal(
    request: Request, reviewer: Reviewer, engine: Database,
    species: Species, half_width: Annotated[float, Form(ge=0.01, le=0.5)], site: SiteName = "", person: Person = "",
) -> RedirectResponse:  # fmt: skip
    """Give a species at a site to a person, or to everyone."""
    goal = ReviewGoal(species, site, person, half_width, reviewer.name)

    def change(connection: Connection) -> None:
        goals = review_goals.list_goals(connection)
        if len(goals) >= MAX_GOALS and goal.key not in {each.key for each in goals}:
            raise ConfigError(f"there are {MAX_GOALS} goals; remove some that are reached")
        if person and person not in _people(connection, reviewer):
            raise HTTPException(422, f"person: {person} is no user who may review; see the page Users")
        review_goals.set_goal(connection, goal)

    apply_change(engine, reviewer, f"set the goal of reviews {_text(goal)}, ± {100 * half_width:g} %", change)
    return _to_page(request)


@router.post("/remove")
def remove_goal(
    request: Request, reviewer: Reviewer, engine: Database, species: Species, site: SiteName = "", person: Person = ""
) -> RedirectResponse:
    """Remove a goal. The reviews stay."""
    goal = ReviewGoal(species, site, person, 0.0, reviewer.name)
    apply_change(
        engine, reviewer, f"removed the goal of reviews {_text(goal)}",
        lambda connection: review_goals.remove_goal(connection, goal),
    )  # fmt: skip
    return _to_page(request)


def _people(connection: Connection, viewer: Principal) -> list[str]:
    """Return the users who may review. Without users it is the visitor."""
    users = list_users(connection)
    reviewers = [row.name for row in users if row.disabled_utc is None and Role(row.role).allows(Role.REVIEW)]
    return reviewers if users else [viewer.name]


def _text(goal: ReviewGoal) -> str:
    return f"{goal.species} at {goal.site or 'all sites'} for {goal.person or 'everyone'}"


def _to_page(request: Request) -> RedirectResponse:
    return RedirectResponse(f"{root_of(request)}/review/progress", 303)
