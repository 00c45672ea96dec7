"""The outline of the ground on the map: lines of a GeoJSON file (RFC 7946), such as a coast, a lake or a reserve."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anura_edge.errors import ConfigError

Lines = Sequence[npt.NDArray[np.float64]]
"""Lines with the shape (positions, 2): longitude and latitude in degrees."""

MAX_FILE_BYTES = 20_000_000
MAX_POSITIONS = 500_000

_DEPTHS = {"LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
"""Kinds of geometry that have lines -> how deep their positions are nested. Points are no outline."""


def read_outline(file: Path | None) -> Lines:
    """Return the lines of a GeoJSON file, none without a file.

    Raises ConfigError that names the file and the reason.
    """
    if file is None:
        return ()
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise _refused(file, f"it is larger than {MAX_FILE_BYTES / 1e6:.0f} MB; simplify its lines")
        document = json.loads(file.read_bytes())
        lines = [_line(line) for line in _lines(document)]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _refused(file, f"{error}; name a GeoJSON file with longitudes and latitudes in degrees") from error
    if not lines:
        raise _refused(file, "it has no line and no polygon")
    if sum(map(len, lines)) > MAX_POSITIONS:
        raise _refused(file, f"it has more than {MAX_POSITIONS:,} positions; simplify its lines")
    return lines


def _lines(part: dict[str, Any]) -> Iterator[Any]:
    """Yield the lists of positions in a GeoJSON object."""
    kind = part["type"]
    if kind == "FeatureCollection":
        for feature in part["features"]:
            yield from _lines(feature)
    elif kind == "Feature":
        if part["geometry"]:
            yield from _lines(part["geometry"])
    elif kind == "GeometryCollection":
        for geometry in part["geometries"]:
            yield from _lines(geometry)
    elif kind in _DEPTHS:
        yield from _nested(part["coordinates"], _DEPTHS[kind])


def _nested(coordinates: Any, depth: int) -> Iterator[Any]:  # noqa: ANN401  (any JSON)
    if depth == 1:
        yield coordinates
    else:
        for each in coordinates:
            yield from _nested(each, depth - 1)


def _line(positions: Any) -> npt.NDArray[np.float64]:  # noqa: ANN401  (any JSON)
    line = np.array([(float(each[0]), float(each[1])) for each in positions], dtype=np.float64).reshape(-1, 2)
    if not (np.abs(line) <= (360, 90)).all():
        raise ValueError("a position is not in degrees")
    return line


def _refused(file: Path, reason: str) -> ConfigError:
    return ConfigError(f"map.outline_file: {file} cannot be used: {reason}")
