"""Take messages from the queue, commit them, and send the acknowledgements after the commit."""

import logging
import threading
from collections.abc import Callable, Mapping

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from anura_base.config.settings import ClipSettings, RetentionSettings
from anura_base.db.engine import root_cause, write_transaction
from anura_base.ingest.batch import DEFAULT_LIMITS, ingest
from anura_base.ingest.counters import ACKNOWLEDGEMENTS, COMMIT_SECONDS, FAILED_COMMITS, MESSAGES
from anura_base.ingest.ingest_queue import IngestQueue
from anura_base.ingest.messages import RawMessage
from anura_base.ingest.retention import RetentionJob

log = logging.getLogger(__name__)

MAX_GROUP = 256
MAX_GROUP_BYTES = 1_000_000
"""Limits of one transaction. Many messages share a commit, which waits for the disk. Ten thousand compressed events
take about a second, so no acknowledgement waits for long."""

RETRY_S = 1.0
"""Pause before a full or locked database is tried again. New messages wait in the queue, which has a limit."""

POLL_S = 0.2
"""Longest time until an idle worker notices `stop`."""


class IngestWorker:
    """Commits groups of messages and acknowledges them."""

    def __init__(
        self,
        engine: Engine,
        queue: IngestQueue,
        publish: Callable[[str, bytes], None],
        retention: RetentionSettings | None = None,
        clips: ClipSettings = DEFAULT_LIMITS,
    ) -> None:
        self._engine = engine
        self._clips = clips
        self._retention = RetentionJob(retention or RetentionSettings(), clips)
        self._queue = queue
        self._publish = publish
        self.commits = 0
        """Number of commits. A reader that sees a new number has new rows to show."""
        self.healthy = True
        """Whether the last commit succeeded."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """Messages for which the queue had no room, by device. The devices send them again."""
        return self._queue.dropped

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Messages that remain in the queue are not acknowledged, so they are sent again."""
        while not stop.is_set():
            group = self._queue.take(MAX_GROUP, MAX_GROUP_BYTES, POLL_S)
            while group and not self._commit(group) and not stop.wait(RETRY_S):
                pass
            if not group and self.healthy:  # messages have priority
                self._remove_old_rows()

    def _remove_old_rows(self) -> None:
        try:
            self._retention.run_if_due(self._engine)
        except SQLAlchemyError as error:
            log.warning("cannot remove old rows: %s; trying again in ten minutes", root_cause(error))

    def _commit(self, group: list[RawMessage]) -> bool:
        try:
            with COMMIT_SECONDS.time(), write_transaction(self._engine) as connection:
                acks = ingest(connection, group, self._clips)
        except SQLAlchemyError as error:
            # No message of the group is committed or acknowledged. The connections are closed, because after a failed
            # write one of them may hold pages that never reached the disk.
            self._engine.dispose()
            FAILED_COMMITS.inc()
            if self.healthy:
                log.warning("cannot store rows: %s; trying again until it works", root_cause(error))
            self.healthy = False
            return False
        if not self.healthy:
            log.info("storing rows again")
        self.healthy = True
        self.commits += 1
        MESSAGES.inc(len(group))
        ACKNOWLEDGEMENTS.inc(len(acks))
        for name, payload in acks:
            self._publish(name, payload)
        return True
