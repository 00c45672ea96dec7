"""Where each site is: as the settings say, or else as its devices do."""

from collections.abc import Mapping

from sqlalchemy import Connection, select

from anura_base.config.settings import Site
from anura_base.db.schema import devices
from anura_edge.config.yaml_loader import is_zone


def all_sites(connection: Connection, known: Mapping[str, Site]) -> dict[str, Site]:
    """Return every site that the settings (`known`) or a device name, by name.

    A site that the settings do not have is where the first of its devices says; a zone that nobody knows is UTC.
    """
    found = dict(known)
    place = devices.c.site, devices.c.latitude_deg, devices.c.longitude_deg, devices.c.zone
    # NULLs last: a device that does not say must not hide one that does.
    query = select(*place).order_by(devices.c.latitude_deg.is_(None), devices.c.device)
    for name, latitude_deg, longitude_deg, zone in connection.execute(query):
        zone = zone if zone and is_zone(zone) else "UTC"
        found.setdefault(name, Site(latitude_deg=latitude_deg, longitude_deg=longitude_deg, zone=zone))
    return found
