"""Remove the rows that a device withdrew: after a reanalysis, the rows of the earlier analysis must not count."""

from collections.abc import Mapping, Set
from typing import Any

from sqlalchemy import Connection, delete, exists, select

from anura_base.clips.blobs import delete_orphans
from anura_base.db.engine import key_matches
from anura_base.db.schema import effort, events, notices
from anura_edge.events import NoticeKind


def remove_withdrawn(connection: Connection, journal: Mapping[str, Any], recordings: Set[str]) -> None:
    """Remove the rows of some recordings that a notice with a higher number withdraws, in any order of arrival.

    `journal` has the columns site, device and journal: no device can withdraw the rows of another.
    """
    withdrawals = [
        *key_matches(notices, journal),
        notices.c.what == NoticeKind.WITHDRAWN,
        notices.c.recording.in_(recordings),
    ]
    withdrawn = connection.scalars(select(notices.c.recording).where(*withdrawals).distinct()).all()
    if not withdrawn:  # the usual case
        return
    for table in (events, effort):
        same_analysis = [notices.c[name] == table.c[name] for name in ("recording", "model_sha256")]
        later = select(notices.c.arrival).where(*withdrawals, *same_analysis, notices.c.seq > table.c.seq)
        rows = [*key_matches(table, journal), table.c.recording.in_(withdrawn), exists(later)]
        connection.execute(delete(table).where(*rows))
    delete_orphans(connection)
