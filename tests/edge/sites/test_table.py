"""The table of sites is read, written and read again without a change, and each wrong value is named with its line."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from anura_edge.errors import ConfigError
from anura_edge.sites.table import COLUMNS, SiteLine, SitePlace, merge_lines, places_of, read_lines, sites_csv

HEADER = ",".join(COLUMNS)


def write(folder: Path, *lines: str, header: str = HEADER) -> Path:
    (folder / "sites.csv").write_text("\n".join([header, *lines]), encoding="utf-8")
    return folder / "sites.csv"


def test_line_has_all_that_the_table_says(tmp_path: Path) -> None:
    file = write(tmp_path, "pond,-22.4,-47.5,America/Sao_Paulo,-03:00,2026-11-20 18:00,2026-11-30,cards\\pond/,SMA1,77")
    (line,) = read_lines(file)
    assert line.place == SitePlace("America/Sao_Paulo", -22.4, -47.5)
    assert line.utc_offset == timezone(timedelta(hours=-3))
    assert (line.begin, line.end) == (datetime(2026, 11, 20, 18), datetime(2026, 12, 1))
    assert (line.folder, line.prefix, line.serial) == ("cards/pond", "SMA1", "77")


def test_only_the_site_is_required(tmp_path: Path) -> None:
    lines = read_lines(write(tmp_path, "pond,by the road", header="site,note"))
    assert lines == [SiteLine("pond", where=f"{tmp_path}/sites.csv, line 2")]
    assert places_of(lines) == {}


def test_written_table_is_read_as_it_was(tmp_path: Path) -> None:
    file = write(tmp_path, "pond,-22.4,-47.5,America/Sao_Paulo,-03:00,2026-11-20 18:00,,pond,,", "river,,,,,,,,,9")
    lines = read_lines(file)
    file.write_text(sites_csv(lines))
    assert read_lines(file) == lines


def test_new_lines_replace_those_of_their_sites_and_keep_known_places() -> None:
    old = [SiteLine("pond", "UTC", 1, 2), SiteLine("river", "UTC"), SiteLine("meadow", "UTC")]
    merged = merge_lines(old, [SiteLine("pond", folder="a"), SiteLine("river", "Europe/Paris")])
    assert merged == [
        SiteLine("meadow", "UTC"),
        SiteLine("pond", "UTC", 1, 2, folder="a"),
        SiteLine("river", "Europe/Paris"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Wet Meadow", "line 2: site 'Wet Meadow' is not a name; use up to 32 letters"),
        ("pond,91", "line 2: latitude '91' is not a number from -90 to 90"),
        ("pond,0,north", "line 2: longitude 'north' is not a number from -180 to 180"),
        ("pond,,,Mars", "line 2: zone 'Mars' is not a time zone; write one as in America"),
        ("pond,,,,3", "line 2: offset '3' is not an offset; write one as in -03:00"),
        ("pond,,,,,1 May", "line 2: from '1 May' is not a time; write 2026-11-20"),
        ("pond,,,,,2026-11-20T18:00-03:00", "has an offset; write the local time of the site"),
        ("pond,,,,,2026-11-20,2026-11-01", "line 2: to 2026-11-01 is before from 2026-11-20; exchange them"),
    ],
)
def test_wrong_value_is_named_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_lines(write(tmp_path, line))


def test_table_without_sites_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no column 'site'; the columns are site, latitude"):
        read_lines(write(tmp_path, header="name,zone"))
