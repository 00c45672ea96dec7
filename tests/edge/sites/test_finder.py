"""A recording is of the site of its folder, its name, its recorder or its time, and never of two."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from anura_edge.errors import ConfigError
from anura_edge.sites.finder import SiteBy, SiteFinder, site_name
from anura_edge.sites.table import SiteLine

SM = "Data/SMA00123_20261120_193000.wav"


def never(_line: SiteLine) -> datetime:
    raise AssertionError("the file was opened")


def find(finder: SiteFinder, name: str, serial: str = "") -> str:
    line = finder.find(name, serial, never)
    return line.site if line else ""


@pytest.mark.parametrize(
    ("by", "site"), [(SiteBy.FOLDER, "pond"), (SiteBy.PREFIX, "SMA00123"), (SiteBy.SERIAL, "24E144")]
)
def test_without_a_table_each_key_is_a_site(by: SiteBy, site: str) -> None:
    finder = SiteFinder([], by)
    assert find(finder, f"pond/{SM}", "24E144") == site
    assert finder.needs_serial == (by == SiteBy.SERIAL)


def test_recording_without_a_key_is_of_the_default_site() -> None:
    assert find(SiteFinder([], SiteBy.FOLDER), "20261120_193000.wav") == ""
    assert find(SiteFinder([], SiteBy.FOLDER, SiteLine("pond")), "20261120_193000.wav") == "pond"


def test_most_precise_line_wins_in_any_order() -> None:
    lines = [
        SiteLine("all", folder="Data"),
        SiteLine("deep", folder="Data/2026"),
        SiteLine("recorder", prefix="SMA00123", folder="Data"),
        SiteLine("serial", serial="77"),
    ]
    for order in (lines, lines[::-1]):
        finder = SiteFinder(order, None)
        assert find(finder, "Data/x.wav") == "all"
        assert find(finder, "Data/2026/x.wav") == "deep"
        assert find(finder, SM) == "recorder"
        assert find(finder, SM, "77") == "serial"
        assert find(finder, "other/x.wav") == ""


def test_line_without_a_key_is_of_the_folder_or_prefix_with_its_name() -> None:
    assert find(SiteFinder([SiteLine("pond")], None), "pond/a/x.wav") == "pond"
    assert find(SiteFinder([SiteLine("P1")], SiteBy.PREFIX), "P1_20261120_193000.wav") == "P1"


def test_keys_that_no_line_names_are_sites_if_that_is_asked_for() -> None:
    lines = [SiteLine("pond", folder="a")]
    assert find(SiteFinder(lines, SiteBy.FOLDER), "b/x.wav") == "b"
    assert find(SiteFinder(lines, None), "b/x.wav") == ""


def test_prefix_ends_where_the_name_of_the_recorder_ends() -> None:
    finder = SiteFinder([SiteLine("one", prefix="P1"), SiteLine("ten", prefix="P10")], None)
    assert find(finder, "P10_20261120_193000.wav") == "ten"
    assert find(finder, "P1_20261120_193000.wav") == "one"


@pytest.mark.parametrize(("hour", "site"), [(17, "pond"), (18, "river"), (42, "")])
def test_recorder_that_moved_is_of_two_sites_by_local_time(hour: int, site: str) -> None:
    zone = "America/Sao_Paulo"
    lines = [
        SiteLine("pond", zone, prefix="SMA00123", end=datetime(2026, 11, 20, 18)),
        SiteLine("river", zone, prefix="SMA00123", begin=datetime(2026, 11, 20, 18), end=datetime(2026, 11, 21)),
    ]
    start = datetime(2026, 11, 20, hour % 24, tzinfo=timezone(timedelta(hours=-3))) + timedelta(days=hour // 24)
    line = SiteFinder(lines, None).find(SM, "", lambda _: start.astimezone(UTC))
    assert (line.site if line else "") == site


def test_recording_of_two_sites_is_an_error_with_both_lines() -> None:
    lines = [SiteLine("pond", folder="a", where="line 2"), SiteLine("river", folder="a", where="line 3")]
    with pytest.raises(ConfigError, match=r"a/x.wav is of pond \(line 2\) and of river \(line 3\)"):
        find(SiteFinder(lines, None), "a/x.wav")


def test_two_folders_with_one_name_for_a_site_are_an_error() -> None:
    finder = SiteFinder([], SiteBy.FOLDER)
    assert find(finder, "Wet Meadow/x.wav") == "Wet_Meadow"
    with pytest.raises(ConfigError, match="would both be the site Wet_Meadow; name their sites in a table"):
        find(finder, "Wet+Meadow/x.wav")


@pytest.mark.parametrize(
    ("text", "name"), [("Várzea do Sul", "Varzea_do_Sul"), ("池", ""), ("a" * 40, "a" * 32), ("P-1_x", "P-1_x")]
)
def test_site_name_is_a_valid_name_or_empty(text: str, name: str) -> None:
    assert site_name(text) == name
