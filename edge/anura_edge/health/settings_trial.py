"""Goes back to the former settings if the base station does not hear from the device that uses the new ones."""

import logging
import time
from collections.abc import Callable

from anura_edge.config.remote_settings import RemoteSettings

log = logging.getLogger(__name__)


class SettingsTrial:
    """The trial of changed settings in this run of the program. It begins with the run."""

    def __init__(
        self, remote: RemoteSettings, restart: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`restart` ends the program, which begins again with the former settings."""
        self._remote, self._restart, self._clock = remote, restart, clock
        self._began_s = clock()

    def check(self) -> None:
        """Go back if the time of the trial is over."""
        state = self._remote.state
        if state.before is None or self._clock() - self._began_s < state.confirm_s:
            return
        reason = f"the base station did not hear from this device within {state.confirm_s:g} s"
        if self._remote.roll_back(reason):
            log.warning("%s: the former settings are used again", reason)
            self._restart("to use the former settings")
