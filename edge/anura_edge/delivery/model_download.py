"""Receives bundles from the base station: one part at a time, and installs a complete one in its own thread.

The base station offers a bundle and the device requests each part. The parts are in a file, so after a kill of either
side the next request continues where the last part ended. The offer has the hash of the whole file and a MAC; the
bundle has the signature of its owner. So neither the broker nor the base station can make a device run another model.
"""

import hashlib
import logging
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from anura_edge import wire
from anura_edge.config.analysis import ModelSettings
from anura_edge.errors import AnuraError, ConfigError, ModelError
from anura_edge.updates.install import check_version, install_file
from anura_edge.updates.slots import ModelSlots

log = logging.getLogger(__name__)

ROOM_FACTOR = 3
"""Free space that a bundle needs, as a multiple of its size: the zip file, its content and some reserve."""


class ModelDownloader:
    """Downloads and installs the bundle that is offered. Only the delivery thread uses it."""

    def __init__(
        self, slots: ModelSlots, model: ModelSettings, wake: Callable[[], None], restart: Callable[[str], None]
    ) -> None:
        """`wake` and `restart` are called in another thread: when an installation has ended, and to use its bundle."""
        self._slots, self._model, self._wake, self._restart = slots, model, wake, restart
        self._pool = ThreadPoolExecutor(1, "model-install")
        self._offer: wire.ModelOffer | None = None
        self._installation: Future[None] | None = None
        self._has_request = False
        self._report: wire.ModelReport | None = None

    def begin(self) -> None:
        """Report the last outcome over a new connection: the base station may not know it."""
        if self._installation is None:
            self._offer, self._has_request = None, False
        self._report = self._outcome(self._slots.state.offer)

    def close(self) -> None:
        """Wait for an installation that runs, and end the thread."""
        self._pool.shutdown(cancel_futures=True)

    def offer(self, offer: wire.ModelOffer) -> None:
        """Request the parts of a bundle, or report why it is not wanted. The sender of the offer was checked."""
        if self._installation is not None:
            return
        self._report = self._outcome(offer.number)
        if self._report or offer.number < self._slots.state.offer:
            return
        try:
            self._check(offer)
        except AnuraError as error:
            self._refuse(offer, str(error))
            return
        if self._offer is None or self._offer.sha256 != offer.sha256:
            log.info("receiving %s %s from the base station", offer.id, offer.version)
            self._delete_other_downloads(offer)
        self._offer, self._has_request = offer, True
        self._install_if_complete(offer)

    def part(self, part: wire.ModelPart) -> None:
        """Store a part of the offered bundle, if it is the next one."""
        offer = self._offer
        if offer is None or self._installation is not None or part.sha256 != offer.sha256:
            return
        path = self._path(offer)
        have = _size(path)
        if part.offset != have:  # late or repeated
            return
        if have + len(part.data) > offer.size:
            self._refuse(offer, "the base station sent more bytes than it announced")
            return
        try:
            with path.open("ab") as file:
                file.write(part.data)
        except OSError as error:
            self._refuse(offer, f"cannot store it: {error.strerror}; make room")
            return
        self._has_request = True
        self._install_if_complete(offer)

    def next_message(self) -> wire.ModelWanted | wire.ModelReport | None:
        """Return the next message to the base station, if there is one."""
        if self._installation and self._installation.done():
            self._end_installation(self._installation)
        if report := self._report:
            self._report = None
            return report
        if self._offer and self._has_request:
            self._has_request = False
            offset = _size(self._path(self._offer))
            return wire.ModelWanted(number=self._offer.number, sha256=self._offer.sha256, offset=offset)
        return None

    def _check(self, offer: wire.ModelOffer) -> None:
        """Raise AnuraError if this device does not take the bundle."""
        if self._model.bundle:
            raise ConfigError("model.bundle in the settings of this device names a bundle; remove it")
        if not self._model.public_key_file:
            raise ConfigError("only signed models are installed: set model.public_key_file on this device")
        check_version(offer.id, offer.version, self._slots)
        free = shutil.disk_usage(self._slots.downloads).free
        if free < ROOM_FACTOR * offer.size:
            raise ModelError(f"the disk has no room: {free / 1e6:,.0f} MB are free; make room")

    def _install_if_complete(self, offer: wire.ModelOffer) -> None:
        if _size(self._path(offer)) == offer.size:
            self._has_request = False
            self._installation = self._pool.submit(self._install, offer)
            self._installation.add_done_callback(lambda _: self._wake())

    def _install(self, offer: wire.ModelOffer) -> None:
        path = self._path(offer)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != offer.sha256:
            raise ModelError("the hash of the received file is not the announced one")
        bundle, _ = install_file(path, self._slots, self._model.public_key_file)
        self._slots.accept_offer(offer.number)
        log.info("%s %s is installed", bundle.manifest.id, bundle.manifest.version)

    def _end_installation(self, installation: Future[None]) -> None:
        offer, self._installation, self._offer = self._offer, None, None
        if offer is None:
            return
        error = installation.exception()
        if error is not None:
            self._refuse(offer, str(error) or repr(error))
            return
        self._path(offer).unlink(missing_ok=True)
        self._report = self._outcome(offer.number)
        self._restart(f"to use {offer.id} {offer.version}")

    def _refuse(self, offer: wire.ModelOffer, reason: str) -> None:
        log.warning("%s %s is not used: %s", offer.id, offer.version, reason)
        self._slots.refuse_offer(offer.number, reason)
        self._path(offer).unlink(missing_ok=True)
        self._offer, self._has_request = None, False
        self._report = self._outcome(offer.number)

    def _outcome(self, number: int) -> wire.ModelReport | None:
        outcome = self._slots.outcome(number)
        if outcome is None:
            return None
        detail = outcome[1][: wire.MAX_TEXT].replace("\0", "?")
        return wire.ModelReport(number=number, state=outcome[0], detail=detail)

    def _delete_other_downloads(self, offer: wire.ModelOffer) -> None:
        for path in self._slots.downloads.glob("*.part"):
            if path != self._path(offer):
                path.unlink(missing_ok=True)

    def _path(self, offer: wire.ModelOffer) -> Path:
        return self._slots.downloads / f"{offer.sha256}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
