"""The pages: what the nights said, on a screen."""

from collections.abc import Mapping

from fastapi import APIRouter
from sqlalchemy import Engine

from anura_base.config import Site
from anura_base.pages import anomalies, network, night, species
from anura_base.pages.frame import Frame


def page_routes(engine: Engine, known: Mapping[str, Site]) -> APIRouter:
    """Return the routes of every page but the first; `known` are the sites of the settings."""
    frame = Frame(engine, known)
    router = APIRouter()
    for page in (species, night, network, anomalies):
        router.include_router(page.routes(frame))
    return router
