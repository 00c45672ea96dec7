from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from anura_edge.nights import SLOT_S, night, night_date, nights, split_at_clock_changes
from anura_edge.sites.table import SitePlace

SAO_PAULO = SitePlace(latitude_deg=-22.4, longitude_deg=-47.55, zone="America/Sao_Paulo")

ZONES = [
    *("America/Sao_Paulo", "Europe/London", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham"),
    *("Pacific/Apia", "Pacific/Kiritimati", "America/St_Johns", "UTC"),
]


def test_night_lasts_from_noon_to_noon() -> None:
    found = night(SAO_PAULO, date(2026, 11, 20))
    assert (found.begin_utc, found.end_utc) == (
        datetime(2026, 11, 20, 15, tzinfo=UTC),
        datetime(2026, 11, 21, 15, tzinfo=UTC),
    )
    for hour, evening in ((14, 19), (15, 20), (23, 20)):
        assert night_date(datetime(2026, 11, 20, hour, 59, tzinfo=UTC), SAO_PAULO) == date(2026, 11, evening)


def test_sunset_and_sunrise_agree_with_an_almanac() -> None:
    found = night(SAO_PAULO, date(2026, 11, 20))
    assert found.sunset_utc
    assert found.sunrise_utc
    # The equation of time and the sun's declination by hand (-19.7 degrees, +14.1 min) give 18:29 and 5:13 local time.
    assert abs(found.sunset_utc - datetime(2026, 11, 20, 21, 32, tzinfo=UTC)) < timedelta(minutes=5)
    assert abs(found.sunrise_utc - datetime(2026, 11, 21, 8, 15, tzinfo=UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize("zone", ZONES)
def test_nights_are_contiguous_in_every_zone(zone: str) -> None:
    year = list(nights(SitePlace(zone=zone), date(2026, 1, 1), date(2026, 12, 31)))
    for earlier, later in pairwise(year):
        assert earlier.end_slot == later.first_slot
        assert earlier.end_slot * SLOT_S == earlier.end_utc.timestamp(), "a night ends at the edge of a slot"
        assert earlier.end_utc - earlier.begin_utc in {timedelta(hours=h) for h in (23, 23.5, 24, 24.5, 25)}
        assert night_date(earlier.end_utc - timedelta(seconds=1), SitePlace(zone=zone)) == earlier.evening


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("longitude_deg", [-180, -47, 0, 90, 179.9])
def test_nights_between_the_polar_circles_have_a_sunset(zone: str, longitude_deg: float) -> None:
    year = list(
        nights(SitePlace(latitude_deg=20, longitude_deg=longitude_deg, zone=zone), date(2026, 3, 1), date(2026, 4, 30))
    )
    without = [found for found in year if found.sunset_utc is None or found.sunrise_utc is None]
    # If the zone does not fit the position, sunset may be near noon and change from one night to the next.
    assert len(without) <= 2


def test_polar_day_and_polar_night_have_no_sunset() -> None:
    tromso = SitePlace(latitude_deg=69.65, longitude_deg=18.96, zone="Europe/Oslo")
    for day in (date(2026, 6, 21), date(2026, 12, 21)):
        assert night(tromso, day).sunset_utc is None
        assert night(tromso, day).sunset_slot is None
    assert night(SitePlace("UTC", 90, 0), date(2026, 3, 20)).evening == date(2026, 3, 20)


def test_site_without_position_has_nights_without_sunset() -> None:
    assert night(SitePlace(zone="Asia/Tokyo"), date(2026, 1, 1)).sunset_utc is None


def test_night_is_split_where_daylight_saving_time_changes() -> None:
    london = SitePlace(zone="Europe/London")
    spring, autumn = night(london, date(2026, 3, 28)), night(london, date(2026, 10, 24))
    assert spring.end_slot - spring.first_slot == 23 * 4
    (first, change, noon), (change_too, end, noon_too) = split_at_clock_changes(spring, "Europe/London")
    assert (first, change - first, change_too, end) == (spring.first_slot, 13 * 4, change, spring.end_slot)
    assert (noon, noon - noon_too) == (first, 4), "the local clock skips one hour"
    assert [part[2] - autumn.first_slot for part in split_at_clock_changes(autumn, "Europe/London")] == [0, 4]
    summer = night(london, date(2026, 7, 1))
    assert split_at_clock_changes(summer, "Europe/London") == [(summer.first_slot, summer.end_slot, summer.first_slot)]
