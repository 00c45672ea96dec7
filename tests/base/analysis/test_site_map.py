"""The map is true to scale in its middle, at any position, and shows each site once at every zoom."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anura_base.analysis.map_outline import read_outline
from anura_base.analysis.site_map import HEIGHT, MARGIN, MAX_ZOOM, WIDTH, MapView, project_sites
from anura_base.config.settings import Site
from anura_edge.errors import ConfigError

PLACES = {
    "one": [(-22.4, -47.5)],
    "together": [(-22.4, -47.5), (-22.4, -47.5)],
    "across the date line": [(-17.0, 179.9), (-17.0, -179.9)],
    "at the poles": [(90.0, 0.0), (-90.0, 180.0), (89.0, -90.0)],
}
POSITIONS = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


def sites(places: list[tuple[float, float]]) -> dict[str, Site]:
    return {f"s{n}": Site(latitude_deg=lat, longitude_deg=lon) for n, (lat, lon) in enumerate(places)}


@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES)
def test_each_site_is_inside_the_map(places: list[tuple[float, float]]) -> None:
    found = project_sites(sites(places))
    assert sum(len(mark.names) for mark in found.marks) == len(places)
    for mark in found.marks:
        assert MARGIN - 1 <= mark.x <= WIDTH - MARGIN + 1
        assert MARGIN - 1 <= mark.y <= HEIGHT - MARGIN + 1


@given(st.lists(POSITIONS, min_size=1, max_size=30), st.integers(0, MAX_ZOOM), st.integers(0, 29))
@settings(max_examples=100)
def test_view_of_a_mark_shows_its_sites_in_its_centre(
    places: list[tuple[float, float]], zoom: int, number: int
) -> None:
    """So a person finds every site by marks alone."""
    whole = project_sites(sites(places))
    assert sorted(name for mark in whole.marks for name in mark.names) == sorted(sites(places))
    mark = whole.marks[number % len(whole.marks)]
    assert mark.view.latitude_deg is not None
    view = MapView(zoom, mark.view.latitude_deg, mark.view.longitude_deg)
    near = project_sites(sites(places), view)
    if len(mark.names) == 1:
        (again,) = (each for each in near.marks if mark.names[0] in each.names)
        if len(again.names) == 1:
            assert (again.x, again.y) == pytest.approx((WIDTH / 2, HEIGHT / 2), abs=1 + 0.001 * 2**zoom)
    else:
        next_view = project_sites(sites(places), mark.view)
        assert {*mark.names} & {name for each in next_view.marks for name in each.names}


def test_sites_of_a_mark_separate_when_the_map_is_larger() -> None:
    places = sites([(0.0, 0.0), (0.0, 0.02), (0.0, 1.0)])
    together, alone = sorted(project_sites(places).marks, key=lambda mark: -len(mark.names))
    assert (together.names, alone.names, together.title) == (("s0", "s1"), ("s2",), "s0, s1")
    marks = [together]
    while len(marks) == 1:
        marks = list(project_sites(places, marks[0].view).marks)
    assert [mark.names for mark in marks] == [("s0",), ("s1",)], "the third site is outside"


def test_zoom_doubles_lengths_and_a_turn_moves_by_half_a_map() -> None:
    places = sites([(-22.0, -47.0), (-22.1, -47.0), (-22.0, -46.9)])
    whole = project_sites(places)
    larger = project_sites(places, whole.turns["in"])
    per_km = [found.bar_width / found.bar_km for found in (whole, larger)]
    assert per_km[1] == pytest.approx(2 * per_km[0])
    moved = project_sites(places, whole.turns["east"])
    before, after = ({name: mark.x for mark in found.marks for name in mark.names} for found in (whole, moved))
    moves = {name: before[name] - x for name, x in after.items()}
    assert moves == pytest.approx(dict.fromkeys(after, WIDTH / 2), abs=0.2)
    assert len(after) == 1, "the others are outside now"


def test_distances_agree_with_the_scale_bar() -> None:
    found = project_sites(sites([(-22.0, -47.0), (-22.1, -47.0), (-22.0, -46.9)]))
    north, south, east = sorted(found.marks, key=lambda mark: mark.names)
    per_km = found.bar_width / found.bar_km
    assert (south.y - north.y) / per_km == pytest.approx(11.12, rel=0.01)
    assert (east.x - north.x) / per_km == pytest.approx(11.12 * math.cos(math.radians(22.05)), rel=0.01)


def test_neighbours_across_the_date_line_are_close() -> None:
    found = project_sites(sites(PLACES["across the date line"]))
    west, east = found.marks
    assert west.x < east.x
    assert found.bar_km <= 10


def test_site_without_position_is_listed() -> None:
    found = project_sites({"here": Site(latitude_deg=1, longitude_deg=1), "nowhere": Site()})
    assert [mark.names for mark in found.marks] == [("here",)]
    assert found.sites_without_position == ["nowhere"]
    assert project_sites({"nowhere": Site()}).marks == ()


def write(folder: Path, document: Any) -> Path:
    file = folder / "outline.geojson"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


def test_outline_is_drawn_where_its_positions_are(tmp_path: Path) -> None:
    ring = [[-47.0, -22.0], [-46.9, -22.0], [-46.9, -22.1], [-47.0, -22.0]]
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}},
        {"type": "Feature", "geometry": {"type": "MultiLineString", "coordinates": [ring[:2], [[10, 50], [11, 50]]]}},
        {"type": "Feature", "geometry": None},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 0]}},
    ]
    outline = read_outline(write(tmp_path, {"type": "FeatureCollection", "features": features}))
    assert [len(line) for line in outline] == [4, 2, 2]
    places = sites([(-22.0, -47.0), (-22.1, -47.0), (-22.0, -46.9)])
    found = project_sites(places, outline=outline)
    assert len(found.outline) == 2, "the last line is far away"
    drawn = [tuple(map(int, pair)) for pair in re.findall(r"[ML](\d+) (\d+)", found.outline[0])]
    marks = {mark.names[0]: (round(mark.x), round(mark.y)) for mark in found.marks}
    assert drawn[:2] == [marks["s0"], marks["s2"]]
    assert drawn[0] == drawn[-1]


def test_long_outline_has_no_more_points_than_one_can_see(tmp_path: Path) -> None:
    coast = [[-47 + number / 2e5, -22 + math.sin(number / 2e3) / 100] for number in range(20_000)]
    outline = read_outline(write(tmp_path, {"type": "LineString", "coordinates": coast}))
    (path,) = project_sites(sites([(-22.0, -47.0), (-22.1, -46.9)]), outline=outline).outline
    assert path.count("L") < 2_000


@pytest.mark.parametrize("document", [
    "", "{}", "[]", '{"type": "Polygon"}', '{"type": "Polygon", "coordinates": 3}', '{"type": "FeatureCollection"}',
    '{"type": "LineString", "coordinates": [[500000, 7500000], [500001, 7500000]]}', "[" * 100_000,
    '{"type": "Point", "coordinates": [1, 2]}', '{"type": "LineString", "coordinates": [[NaN, 1], [1, 1]]}',
])  # fmt: skip
def test_other_file_is_refused_with_its_name(tmp_path: Path, document: str) -> None:
    with pytest.raises(ConfigError, match=r"map\.outline_file: .*outline\.geojson cannot be used: "):
        read_outline(write(tmp_path, document))
