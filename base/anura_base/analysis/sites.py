"""All sites: from the settings, from the pages, and from the status messages of the devices."""

from collections.abc import Mapping

from sqlalchemy import Connection, select

from anura_base.analysis.stored_settings import stored_sites
from anura_base.config.settings import Site
from anura_base.db.schema import devices
from anura_edge.config.yaml_loader import is_zone


def all_sites(connection: Connection, known: Mapping[str, Site]) -> dict[str, Site]:
    """Return every site, by name. `known` are the sites of the settings, which have priority over those of the pages.

    Any other site takes position and time zone from the first of its devices that has a position. An unknown time zone
    is replaced by UTC.
    """
    found = {**stored_sites(connection), **known}
    columns = devices.c.site, devices.c.latitude_deg, devices.c.longitude_deg, devices.c.zone
    # NULLs last: a device without a position must not hide one that has a position.
    query = select(*columns).order_by(devices.c.latitude_deg.is_(None), devices.c.device)
    for name, latitude_deg, longitude_deg, zone in connection.execute(query):
        zone = zone if zone and is_zone(zone) else "UTC"
        found.setdefault(name, Site(latitude_deg=latitude_deg, longitude_deg=longitude_deg, zone=zone))
    return found
