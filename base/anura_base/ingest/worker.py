"""From the inbox to the database, and only then back to the device."""

import logging
import threading
from collections.abc import Callable, Mapping

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from anura_base.config.settings import Clips, Retention
from anura_base.db.engine import root_cause, write_transaction
from anura_base.ingest.batch import DEFAULT_LIMITS, RawMessage, ingest
from anura_base.ingest.counters import ACKNOWLEDGEMENTS, COMMIT_SECONDS, FAILED_COMMITS, MESSAGES
from anura_base.ingest.ingest_queue import IngestQueue
from anura_base.ingest.retention import RetentionJob

log = logging.getLogger(__name__)

MAX_GROUP = 256
MAX_GROUP_BYTES = 1_000_000
"""Messages in one transaction: under load a commit, which waits for the disk, is shared. Ten thousand events compressed
are a second's work, and nobody waits longer for an acknowledgement."""

RETRY_S = 1.0
"""How often a full or locked database is asked again; what comes meanwhile waits in the bounded inbox."""

POLL_S = 0.2
"""How soon a quiet worker sees that it should stop."""


class IngestWorker:
    """Commits groups of messages and acknowledges them."""

    def __init__(
        self,
        engine: Engine,
        inbox: IngestQueue,
        publish: Callable[[str, bytes], None],
        retention: Retention | None = None,
        clips: Clips = DEFAULT_LIMITS,
    ) -> None:
        self._engine = engine
        self._clips = clips
        self._clearing = RetentionJob(retention or Retention(), clips)
        self._inbox = inbox
        self._publish = publish
        self.commits = 0
        """Counts the commits: who has seen another number has something new to show."""
        self.healthy = True
        """Whether the last commit succeeded."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """Messages that found no room, by device: each will come again."""
        return self._inbox.dropped

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop. What is left in the inbox then is not acknowledged, so it comes again."""
        while not stop.is_set():
            group = self._inbox.take(MAX_GROUP, MAX_GROUP_BYTES, POLL_S)
            while group and not self._commit(group) and not stop.wait(RETRY_S):
                pass
            if not group and self.healthy:  # what comes goes first
                self._clear()

    def _clear(self) -> None:
        try:
            self._clearing.run_if_due(self._engine)
        except SQLAlchemyError as error:
            log.warning("cannot remove old rows: %s; trying again in an hour", root_cause(error))

    def _commit(self, group: list[RawMessage]) -> bool:
        try:
            with COMMIT_SECONDS.time(), write_transaction(self._engine) as connection:
                acks = ingest(connection, group, self._clips)
        except SQLAlchemyError as error:
            # Nothing of the group is committed or acknowledged. New connections, because after a failed write an old
            # one may hold pages that never reached the disk.
            self._engine.dispose()
            FAILED_COMMITS.inc()
            if self.healthy:
                log.warning("cannot store: %s; trying again until it works", root_cause(error))
            self.healthy = False
            return False
        if not self.healthy:
            log.info("storing again")
        self.healthy = True
        self.commits += 1
        MESSAGES.inc(len(group))
        ACKNOWLEDGEMENTS.inc(len(acks))
        for name, payload in acks:
            self._publish(name, payload)
        return True
