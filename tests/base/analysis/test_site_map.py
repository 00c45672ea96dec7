"""The map is true to scale in its middle, at any position."""

import math

import pytest

from anura_base.analysis.site_map import HEIGHT, MARGIN, WIDTH, project_sites
from anura_base.config.settings import Site

PLACES = {
    "one": [(-22.4, -47.5)],
    "together": [(-22.4, -47.5), (-22.4, -47.5)],
    "across the date line": [(-17.0, 179.9), (-17.0, -179.9)],
    "at the poles": [(90.0, 0.0), (-90.0, 180.0), (89.0, -90.0)],
}


def sites(places: list[tuple[float, float]]) -> dict[str, Site]:
    return {f"s{n}": Site(latitude_deg=lat, longitude_deg=lon) for n, (lat, lon) in enumerate(places)}


@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES)
def test_each_site_is_inside_the_map(places: list[tuple[float, float]]) -> None:
    found = project_sites(sites(places))
    assert len(found.points) == len(places)
    for place in found.points:
        assert MARGIN - 1 <= place.x <= WIDTH - MARGIN + 1
        assert MARGIN - 1 <= place.y <= HEIGHT - MARGIN + 1


def test_distances_agree_with_the_scale_bar() -> None:
    found = project_sites(sites([(-22.0, -47.0), (-22.1, -47.0), (-22.0, -46.9)]))
    north, south, east = found.points
    per_km = found.bar_width / found.bar_km
    assert (south.y - north.y) / per_km == pytest.approx(11.12, rel=0.01)
    assert (east.x - north.x) / per_km == pytest.approx(11.12 * math.cos(math.radians(22.05)), rel=0.01)


def test_neighbours_across_the_date_line_are_close() -> None:
    found = project_sites(sites(PLACES["across the date line"]))
    west, east = found.points
    assert west.x < east.x
    assert found.bar_km <= 10


def test_site_without_position_is_listed() -> None:
    found = project_sites({"here": Site(latitude_deg=1, longitude_deg=1), "nowhere": Site()})
    assert [place.name for place in found.points] == ["here"]
    assert found.sites_without_position == ["nowhere"]
    assert project_sites({"nowhere": Site()}).points == ()
