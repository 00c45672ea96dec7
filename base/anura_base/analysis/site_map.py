"""The map of the sites: a projection of their positions and of an outline of the ground, and a scale bar."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anura_base.analysis.map_outline import Lines
from anura_base.config.settings import Site

Degrees = npt.NDArray[np.float64]
"""Positions with the shape (n, 2): longitude and latitude."""

WIDTH, HEIGHT, MARGIN = 760.0, 420.0, 70.0
"""Size of the map, in units of its SVG view box."""

SCALE_BAR_MAX = 150.0
"""Longest scale bar, in the same units."""

KM_PER_DEGREE = 111.195
"""Kilometres for one degree of latitude, on a sphere with a radius of 6,371 km."""


MAX_ZOOM = 20
MAX_SCALE = 20_000.0
"""Map units for one kilometre, at most: positions in an address are exact to 0.1 m."""

TITLES = 8
"""Sites of a mark that its title names."""

CELL = 40.0
"""Sites in one square of this size, in map units, are one mark."""


@dataclass(frozen=True, slots=True)
class MapView:
    """Which part of the map is shown."""

    zoom: int = 0
    """0 shows all sites; each step halves the length that the map shows, up to MAX_SCALE."""
    latitude_deg: float | None = None
    """Its centre. None: the middle of all sites."""
    longitude_deg: float | None = None


WHOLE = MapView()


@dataclass(frozen=True, slots=True)
class MapMark:
    """A site on the map, or several sites that are too close to show each."""

    names: tuple[str, ...]
    title: str
    x: float
    y: float
    right: bool
    """Whether its text is right of the point."""
    view: MapView
    """The view that shows it larger, with the mark in its centre."""


@dataclass(frozen=True, slots=True)
class SiteMap:
    """The sites in an equirectangular projection, true to scale at the middle latitude of all sites, north up."""

    marks: Sequence[MapMark]
    """Those in the view."""
    view: MapView
    """The view with its centre."""
    turns: Mapping[str, MapView]
    """The neighbouring views, by what leads there: `in` (unless it is the largest), `out`, `north`,
    `south`, `east` and `west`."""
    outline: Sequence[str]
    """Paths of SVG."""
    bar_km: float
    """Length of the scale bar."""
    bar_width: float
    """Length of the scale bar, in map units."""
    sites_without_position: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Projection:
    """From degrees to kilometres, and from kilometres to map units."""

    first_longitude_deg: float
    """Longitudes count from here, so that 179 and -179 degrees are neighbours across the date line."""
    shrink: float
    """Length of a degree of longitude, as a share of that of a degree of latitude."""
    scale: float = 1.0
    """Map units for one kilometre."""
    x0_km: float = 0.0
    """The centre of the map."""
    y0_km: float = 0.0

    def kilometres(self, degrees: Degrees) -> npt.NDArray[np.float64]:
        """Return kilometres to the east and to the north, (n, 2), from longitudes and latitudes."""
        east = (degrees[:, 0] - self.first_longitude_deg + 180) % 360 - 180
        return np.column_stack([east * self.shrink, degrees[:, 1]]) * KM_PER_DEGREE

    def units(self, km: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return positions on the map, (n, 2), from kilometres."""
        x, y = km[:, 0], km[:, 1]
        return np.column_stack([WIDTH / 2 + (x - self.x0_km) * self.scale, HEIGHT / 2 - (y - self.y0_km) * self.scale])

    def view(self, zoom: int, x_km: float, y_km: float) -> MapView:
        """Return the view with a centre, which stays on the globe."""
        latitude = min(max(y_km / KM_PER_DEGREE, -90.0), 90.0)
        longitude = self.first_longitude_deg + x_km / KM_PER_DEGREE / self.shrink
        return MapView(min(max(zoom, 0), MAX_ZOOM), round(latitude, 6), round((longitude + 180) % 360 - 180, 6))


def project_sites(sites: Mapping[str, Site], view: MapView = WHOLE, outline: Lines = ()) -> SiteMap:
    """Project the sites that have a position, and an outline. A view that is not whole shows a part of them."""
    placed = [name for name, site in sites.items() if None not in (site.longitude_deg, site.latitude_deg)]
    without_position = [name for name in sites if name not in set(placed)]
    if not placed:
        return SiteMap((), view, {}, (), 0, 0, without_position)
    degrees = np.array([(sites[name].longitude_deg, sites[name].latitude_deg) for name in placed], dtype=np.float64)
    projection, km, zoom = _project(degrees, view)
    marks = _marks(sites, placed, km, projection, zoom)
    bar_km = _round_down(SCALE_BAR_MAX / projection.scale)
    return SiteMap(
        [mark for mark in marks if 0 <= mark.x <= WIDTH and 0 <= mark.y <= HEIGHT],
        projection.view(zoom, projection.x0_km, projection.y0_km),
        _turns(projection, zoom),
        [path for line in outline for path in _paths(line, projection)],
        bar_km,
        bar_km * projection.scale,
        without_position,
    )


def _project(degrees: Degrees, view: MapView) -> tuple[_Projection, npt.NDArray[np.float64], int]:
    """Return the projection of a view, the kilometres of the sites, and the zoom that is possible."""
    middle_deg = _middle(degrees[:, 1])
    plain = _Projection(float(degrees[0, 0]), max(math.cos(math.radians(middle_deg)), 0.01))
    km = plain.kilometres(degrees)
    width_km, height_km = np.ptp(km, axis=0)
    # The map shows at least 1 km by 0.5 km, so that the scale is finite when all sites are at one position.
    whole = min((WIDTH - 2 * MARGIN) / max(width_km, 1.0), (HEIGHT - 2 * MARGIN) / max(height_km, 0.5))
    x0_km, y0_km = _middle(km[:, 0]), _middle(km[:, 1])
    if view.latitude_deg is not None and view.longitude_deg is not None:
        ((x0_km, y0_km),) = plain.kilometres(np.array([(view.longitude_deg, view.latitude_deg)]))
    zoom = min(view.zoom, int(math.log2(MAX_SCALE / whole)))
    return replace(plain, scale=float(whole) * 2**zoom, x0_km=float(x0_km), y0_km=float(y0_km)), km, zoom


def _marks(
    sites: Mapping[str, Site], names: Sequence[str], km: npt.NDArray[np.float64], projection: _Projection, zoom: int
) -> list[MapMark]:
    """Return a mark for the sites of each square. The squares are fixed to the ground, so a turn changes no mark."""
    squares: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, (x, y) in enumerate(np.floor(km * projection.scale / CELL).astype(int)):
        squares[x, y].append(index)
    middles = np.array([km[members].mean(axis=0) for members in squares.values()])
    units = projection.units(middles).round(1)
    return [
        MapMark(
            names=tuple(names[index] for index in members),
            title=", ".join(sites[names[index]].title or names[index] for index in members[:TITLES])
            + (f" and {len(members) - TITLES} more" if len(members) > TITLES else ""),
            x=float(x),
            y=float(y),
            right=bool(x <= WIDTH / 2),
            view=projection.view(zoom + 2, *map(float, middle)),
        )
        for members, (x, y), middle in zip(squares.values(), units, middles, strict=True)
    ]


def _turns(projection: _Projection, zoom: int) -> dict[str, MapView]:
    x, y = projection.x0_km, projection.y0_km
    east, north = WIDTH / 2 / projection.scale, HEIGHT / 2 / projection.scale
    larger = {"in": projection.view(zoom + 1, x, y)} if 2 * projection.scale <= MAX_SCALE else {}
    return larger | {
        "out": projection.view(zoom - 1, x, y),
        "north": projection.view(zoom, x, y + north),
        "south": projection.view(zoom, x, y - north),
        "east": projection.view(zoom, x + east, y),
        "west": projection.view(zoom, x - east, y),
    }


def _paths(line: Degrees, projection: _Projection) -> Iterator[str]:
    """Yield the parts of a line that are in the view, as paths of SVG, with no more points than one can see."""
    units = projection.units(projection.kilometres(line)).round()
    begin, end = units[:-1], units[1:]
    low, high = np.minimum(begin, end), np.maximum(begin, end)
    inside = (high >= 0).all(axis=1) & (low <= (WIDTH, HEIGHT)).all(axis=1)
    # A line that crosses the far side of the globe would be drawn across the whole map.
    east = line[:, 0] - projection.first_longitude_deg
    inside &= np.abs(np.diff((east + 180) % 360)) < 180
    moves = (begin != end).any(axis=1)
    path: list[str] = []
    for index in np.flatnonzero(moves | ~inside):
        if not inside[index]:
            if path:
                yield "".join(path)
            path = []
            continue
        if not path:
            path.append(f"M{begin[index, 0]:.0f} {begin[index, 1]:.0f}")
        path.append(f"L{end[index, 0]:.0f} {end[index, 1]:.0f}")
    if path:
        yield "".join(path)


def _middle(values: npt.NDArray[np.float64]) -> float:
    return float(values.min() + values.max()) / 2


def _round_down(value: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten that is not above `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= value * (1 + 1e-9))
