"""The places of the sites whose results are read."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from anura_edge.errors import ConfigError
from anura_edge.sites.table import FILE_NAME, SitePlace, places_of, read_lines


def places_beside(journal: Path) -> dict[str, SitePlace]:
    """Return the places of the table that a scan has written beside its journal; nothing if there is none.

    Raises ConfigError if the table is wrong.
    """
    table = journal.with_name(FILE_NAME)
    return places_of(read_lines(table)) if table.exists() else {}


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
