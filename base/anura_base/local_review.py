"""The pages of a base station on a laptop: the calls of a journal, and the audio of the recordings beside it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from anura_base import server
from anura_base.clips.local_clips import LocalClips
from anura_base.config.settings import ClipSettings, Settings, Site, WebSettings
from anura_base.db.engine import open_database, write_transaction
from anura_base.ingest.batch import ingest
from anura_base.ingest.ingest_queue import IngestQueue
from anura_base.ingest.journal_import import ImportResult, Progress, import_copy
from anura_base.ingest.link import Link
from anura_base.ingest.messages import RawMessage
from anura_edge.clips.journal_clips import clip_finder
from anura_edge.results.journal_copy import JournalCopy, open_copy
from anura_edge.results.places import places_beside
from anura_edge.wire import Status, topic

REVIEWS = "review.db"
"""The database with the calls, the clips that were shown, and the verdicts. It is beside the journal."""

CLIPS = ClipSettings(max_mb=100_000, max_mb_per_device=100_000)
"""The recordings are on this disk, so the clips need little room beside them."""


@dataclass(frozen=True, slots=True)
class LocalReview:
    """The journal and the recordings that are reviewed, and the database for the verdicts."""

    journal: Path
    """A journal."""
    recordings: Path | None
    """The folder that was scanned."""
    database: str
    """URL of the database."""
    zone: str | None
    """Time zone of the sites that the table beside the journal does not list."""
    port: int
    """Port on 127.0.0.1; 0 chooses a free one."""


def run_review(
    review: LocalReview, progress: Progress, imported: Callable[[ImportResult], None], ready: Callable[[str], None]
) -> None:
    """Import a journal, and serve the pages to this computer until SIGINT or SIGTERM.

    `imported` is called after the import, and `ready` with the address of the pages.

    Raises AnuraError if the journal or the database cannot be used.
    """
    sites = {name: Site(**asdict(place)) for name, place in places_beside(review.journal).items()}
    settings = Settings(database=review.database, web=WebSettings(port=review.port), clips=CLIPS, sites=sites)
    with open_copy(review.journal) as journal:
        engine = open_database(review.database)
        try:
            imported(import_copy(engine, journal, CLIPS, progress))
            _introduce(engine, journal, review.zone)
        finally:
            engine.dispose()
        finder = clip_finder(journal, review.journal.parent / "clips", review.recordings)

        def connect(_settings: Settings, _engine: Engine, queue: IngestQueue) -> Link:
            return LocalClips(finder, lambda name, payload, utc: queue.offer(RawMessage(name, payload, False, utc)))

        server.run(settings, ready, connect, requests_clips=True)


def _introduce(engine: Engine, journal: JournalCopy, zone: str | None) -> None:
    """Make the devices of a journal known as online, so that clips are requested from them."""
    status = Status(state="online", zone=zone).to_bytes()
    now = datetime.now(UTC)
    messages = [RawMessage(topic(*owner, "status"), status, True, now) for owner in journal.owners()]
    with write_transaction(engine) as connection:
        ingest(connection, messages, CLIPS)
