"""Removes what a device took back: a recording was heard again, and what was said of it before must not count twice."""

from collections.abc import Mapping, Set
from typing import Any

from sqlalchemy import Connection, delete, exists, select

from anura_base.clips.blobs import sweep
from anura_base.db.engine import key_matches
from anura_base.db.schema import effort, events, notices
from anura_edge.events import NoticeKind


def remove_withdrawn(connection: Connection, stream: Mapping[str, Any], recordings: Set[str]) -> None:
    """Remove rows of some recordings that a notice with a higher number withdraws, whichever of them came first.

    `stream` is the site, device and journal: nobody can take back what another has said.
    """
    told = [*key_matches(notices, stream), notices.c.what == NoticeKind.WITHDRAWN, notices.c.recording.in_(recordings)]
    withdrawn = connection.scalars(select(notices.c.recording).where(*told).distinct()).all()
    if not withdrawn:  # as good as always
        return
    for table in (events, effort):
        alike = [notices.c[name] == table.c[name] for name in ("recording", "model_sha256")]
        later = select(notices.c.arrival).where(*told, *alike, notices.c.seq > table.c.seq)
        rows = [*key_matches(table, stream), table.c.recording.in_(withdrawn), exists(later)]
        connection.execute(delete(table).where(*rows))
    sweep(connection)
