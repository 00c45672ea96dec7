"""The places of the sites whose results are read."""

from collections.abc import Iterable, Mapping

from anura_edge.errors import ConfigError
from anura_edge.sites.table import SitePlace


def place_sites(
    sites: Iterable[str], known: Mapping[str, SitePlace], default: SitePlace | None
) -> dict[str, SitePlace]:
    """Return the place of each site: from `known`, else `default`.

    Raises ConfigError for a site without a place, because its nights would be wrong.
    """
    places = {site: known.get(site, default) for site in sites}
    if missing := [site for site, place in places.items() if place is None]:
        raise ConfigError(
            f"the time zone of the site {', '.join(missing)} is not known; write --zone, as in --zone"
            " America/Sao_Paulo, or set device.zone, or name a table of sites with --sites"
        )
    return {site: place for site, place in places.items() if place}
