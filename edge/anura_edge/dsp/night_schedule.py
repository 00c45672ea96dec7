"""Decides by the sun when a microphone is analysed: from before sunset to after sunrise. No I/O, no clock."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from astral import Observer
from astral.sun import elevation

from anura_edge.config.energy import NightSettings
from anura_edge.events import night_of_local_time
from anura_edge.nights import Night, night


@dataclass(frozen=True, slots=True)
class SunPlace:
    """A place and the zone of its own sun."""

    latitude_deg: float
    longitude_deg: float

    @property
    def zone(self) -> str:
        """The zone whose noon is nearest to that of the sun. Its name has the opposite sign (tz database)."""
        hours = round(self.longitude_deg / 15)
        return f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"


class NightSchedule:
    """The times between dusk and dawn at a place."""

    def __init__(self, settings: NightSettings, place: SunPlace) -> None:
        self._before = timedelta(minutes=settings.before_sunset_min)
        self._after = timedelta(minutes=settings.after_sunrise_min)
        self._place = place

    def until_change(self, time_s: float) -> tuple[bool, float]:
        """Return whether audio is analysed at a time, in seconds since 1970, and for how many seconds this holds."""
        now = datetime.fromtimestamp(time_s, UTC)
        tonight = night(self._place, night_of_local_time(now.astimezone(ZoneInfo(self._place.zone))))
        begin, end = self._times(tonight)
        if now < begin:
            return False, (begin - now).total_seconds()
        if now < end:
            return True, (end - now).total_seconds()
        return False, (tonight.end_utc - now).total_seconds()

    def _times(self, tonight: Night) -> tuple[datetime, datetime]:
        """Return when audio is analysed in a night. Both times are equal if the sun does not set."""
        if tonight.sunset_utc is None and tonight.sunrise_utc is None:
            midnight = tonight.begin_utc + (tonight.end_utc - tonight.begin_utc) / 2
            is_day = elevation(Observer(self._place.latitude_deg, self._place.longitude_deg), midnight) > 0
            return tonight.begin_utc, tonight.begin_utc if is_day else tonight.end_utc
        begin = tonight.begin_utc if tonight.sunset_utc is None else tonight.sunset_utc - self._before
        end = tonight.end_utc if tonight.sunrise_utc is None else tonight.sunrise_utc + self._after
        return max(begin, tonight.begin_utc), min(end, tonight.end_utc)
