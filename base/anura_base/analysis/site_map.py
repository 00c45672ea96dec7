"""The map of the sites: a projection of their positions, and a scale bar."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anura_base.config.settings import Site

WIDTH, HEIGHT, MARGIN = 760.0, 420.0, 70.0
"""Size of the map, in units of its SVG view box."""

SCALE_BAR_MAX = 150.0
"""Longest scale bar, in the same units."""

KM_PER_DEGREE = 111.195
"""Kilometres for one degree of latitude, on a sphere with a radius of 6,371 km."""


@dataclass(frozen=True, slots=True)
class MapPoint:
    """The position of a site on the map, and its name."""

    name: str
    title: str
    x: float
    y: float
    right: bool
    """Whether its name is right of the point."""


@dataclass(frozen=True, slots=True)
class SiteMap:
    """The sites in an equirectangular projection, true to scale at the middle latitude, north up."""

    points: Sequence[MapPoint]
    bar_km: float
    """Length of the scale bar."""
    bar_width: float
    """Length of the scale bar, in map units."""
    sites_without_position: Sequence[str]


def project_sites(sites: Mapping[str, Site]) -> SiteMap:
    """Project the sites that have a position."""
    degrees = {
        name: (site.longitude_deg, site.latitude_deg)
        for name, site in sites.items()
        if site.longitude_deg is not None and site.latitude_deg is not None
    }
    without_position = [name for name in sites if name not in degrees]
    if not degrees:
        return SiteMap((), 0, 0, without_position)
    x_km, y_km = _kilometres(degrees)
    width_km, height_km = (max(axis.values()) - min(axis.values()) for axis in (x_km, y_km))
    # The map shows at least 1 km by 0.5 km, so that the scale is finite when all sites are at one position.
    scale = min((WIDTH - 2 * MARGIN) / max(width_km, 1.0), (HEIGHT - 2 * MARGIN) / max(height_km, 0.5))
    x0, y0 = _middle(list(x_km.values())), _middle(list(y_km.values()))
    points = [
        MapPoint(
            name=name,
            title=sites[name].title or name,
            x=round(WIDTH / 2 + (x_km[name] - x0) * scale, 1),
            y=round(HEIGHT / 2 - (y_km[name] - y0) * scale, 1),
            right=x_km[name] <= x0,
        )
        for name in degrees
    ]
    bar_km = _round_down(SCALE_BAR_MAX / scale)
    return SiteMap(points, bar_km, bar_km * scale, without_position)


def _kilometres(degrees: Mapping[str, tuple[float, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Return kilometres to the east and to the north, from positions as (longitude, latitude)."""
    # Longitudes count from the first site, so that 179 and -179 degrees are neighbours across the date line.
    start = next(iter(degrees.values()))[0]
    east = {name: (longitude - start + 180) % 360 - 180 for name, (longitude, _) in degrees.items()}
    middle = _middle([latitude for _, latitude in degrees.values()])
    shrink = max(math.cos(math.radians(middle)), 0.01)
    x_km = {name: longitude * KM_PER_DEGREE * shrink for name, longitude in east.items()}
    y_km = {name: latitude * KM_PER_DEGREE for name, (_, latitude) in degrees.items()}
    return x_km, y_km


def _middle(values: Sequence[float]) -> float:
    return (min(values) + max(values)) / 2


def _round_down(value: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten that is not above `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= value * (1 + 1e-9))
