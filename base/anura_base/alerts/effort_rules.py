"""The rule about nights with little effort. Pure."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from anura_base.alerts.alert import Alert, AlertKey, NightOf
from anura_base.config.alerts import EffortLow, Rule

GRACE = timedelta(hours=6)
"""Time after the end of a night for late rows to arrive, before its effort is checked."""

MIN_NIGHTS = 2
"""With fewer previous nights the usual effort is unknown."""


def low_effort_alerts(
    rules: Mapping[str, Rule],
    effort_h: Mapping[tuple[str, str], Mapping[date, float]],
    night_of: NightOf,
    now: datetime,
) -> list[Alert]:
    """Return alerts for devices that analysed little audio in the last complete night.

    `effort_h` are hours by (site, device) and then by night.
    """
    alerts = []
    for name, rule in rules.items():
        if not isinstance(rule, EffortLow):
            continue
        for (site, device), hours in effort_h.items():
            if rule.sites and site not in rule.sites:
                continue
            night = night_of(site, now - GRACE) - timedelta(days=1)
            before = [night - timedelta(days=back) for back in range(1, rule.baseline_nights + 1)]
            usual = [hours[day] for day in before if day in hours]
            mean_h, night_h = sum(usual) / max(len(usual), 1), hours.get(night, 0.0)
            if len(usual) >= MIN_NIGHTS and night_h < rule.below_ratio * mean_h:
                text = f"{site}/{device} analysed {night_h:.1f} h in the night of {night}; the mean is {mean_h:.1f} h"
                key = AlertKey(name, f"{site}/{device}")
                alerts.append(Alert(key, night.isoformat(), site, device, now, text))
    return alerts
