"""A loop of work on the database that survives an outage of it."""

import logging
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from anura_base.db.engine import root_cause

log = logging.getLogger(__name__)


def poll_until(stop: threading.Event, every_s: float, work: Callable[[], None], failure: str) -> None:
    """Call `work` every `every_s` seconds until `stop` is set. After a database error, try again.

    Of several errors in a row only the first is logged, after the text `failure`.
    """
    is_failing = False
    while not stop.wait(every_s):
        try:
            work()
            is_failing = False
        except SQLAlchemyError as error:
            if not is_failing:
                log.warning("%s: %s; trying again until it works", failure, root_cause(error))
            is_failing = True
