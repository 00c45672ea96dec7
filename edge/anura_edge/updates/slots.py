"""The installed bundles, and which of them is used. A change is on trial until the device has worked with it."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from anura_edge.wire import UpdateState

TRIAL_STARTS = 3
"""A bundle on trial that the device did not keep after so many starts is given up. The watchdog ends a device whose
inference hangs or is too slow, so this covers a loss of health."""

_ABANDONED_S = 3_600.0
"""No installation takes longer."""


@dataclass(frozen=True, slots=True)
class SlotState:
    """Which bundles are used. Names are those of the folders; None is the bundle of the program."""

    current: str | None = None
    previous: str | None = None
    starts_on_trial: int | None = None
    """Starts since the change. None if the current bundle has proved itself."""
    versions: dict[str, str] = field(default_factory=dict)
    """The highest version that was ever installed, by the id of the model. An older one is refused."""
    refused: str = ""
    """Why the last bundle was given up, until the device has told it."""
    offer: int = 0
    """Number of the last offer of the base station."""
    offered: str | None = None
    """The bundle of that offer. None if it was never used."""
    offer_refused: str = ""
    """Why that bundle is not used."""


class ModelSlots:
    """The folder of the installed bundles."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "state.json"

    @property
    def state(self) -> SlotState:
        """Which bundles are used. If the file is damaged, it is the bundle of the program, and the reason is told."""
        try:
            return SlotState(**json.loads(self._file.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return SlotState()
        except (OSError, ValueError, TypeError) as error:
            # A device in the field must start again without a person.
            return SlotState(refused=f"{self._file} is damaged ({error}); the bundle of the program is used")

    @property
    def current(self) -> Path | None:
        """Folder of the bundle that is used. None for the bundle of the program."""
        name = self.state.current
        return self.folder / name if name else None

    @property
    def downloads(self) -> Path:
        """The folder of unfinished downloads. It is made if needed."""
        folder = self.folder / "downloads"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Give an empty folder on the file system of the slots. It is deleted at the end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".staged-*"):  # of a program that was killed
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
        with TemporaryDirectory(prefix=".staged-", dir=self.folder) as folder:
            yield Path(folder)

    def install(self, staged: Path, model: str, version: str) -> None:
        """Use a checked bundle from the next start on."""
        name, before = f"{model}-{version}", self.state
        shutil.rmtree(self.folder / name, ignore_errors=True)
        staged.replace(self.folder / name)
        versions = {**before.versions, model: version}
        kept = before.previous if before.starts_on_trial is not None else before.current
        self._store(replace(before, current=name, previous=kept, starts_on_trial=0, versions=versions, refused=""))
        for old in self.folder.glob("*-*.*.*"):
            if old.name not in (name, kept):
                shutil.rmtree(old, ignore_errors=True)

    def outcome(self, offer: int) -> tuple[UpdateState, str] | None:
        """Return the result of an offer of the base station, and its reason. None if it is not known."""
        state = self.state
        if not offer or state.offer != offer:
            return None
        if state.offer_refused:
            return "rolled_back" if state.offered else "refused", state.offer_refused
        return "kept" if state.starts_on_trial is None else "trial", ""

    def accept_offer(self, number: int) -> None:
        """Remember that the current bundle is that of an offer."""
        state = self.state
        self._store(replace(state, offer=number, offered=state.current, offer_refused=""))

    def refuse_offer(self, number: int, reason: str) -> None:
        """Remember why the bundle of an offer is not used."""
        self._store(replace(self.state, offer=number, offered=None, offer_refused=reason))

    def begin_start(self) -> None:
        """Count a start of the device. After too many on trial, go back to the bundle before."""
        state = self.state
        if state.starts_on_trial is None:
            return
        if state.starts_on_trial >= TRIAL_STARTS:
            self.roll_back(f"{state.current} was started {TRIAL_STARTS} times and never worked for long")
        else:
            self._store(replace(state, starts_on_trial=state.starts_on_trial + 1))

    def confirm(self) -> None:
        """Keep the current bundle: the device has worked with it."""
        state = self.state
        if state.starts_on_trial is not None:
            self._store(replace(state, starts_on_trial=None))

    def roll_back(self, reason: str) -> None:
        """Use the bundle before the current one, and remember the reason."""
        state = self.state
        back = replace(state, current=state.previous, previous=None, starts_on_trial=None, refused=reason)
        is_offered = state.current is not None and state.current == state.offered
        self._store(replace(back, offer_refused=reason) if is_offered else back)

    def record_refused(self, reason: str) -> None:
        """Remember why a bundle was not installed."""
        self._store(replace(self.state, refused=reason))

    def take_refused(self) -> str:
        """Return why a bundle was given up, once."""
        state = self.state
        if state.refused:
            self._store(replace(state, refused=""))
        return state.refused

    def _store(self, state: SlotState) -> None:
        """Replace the file as a whole, and only after its content is on the disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(asdict(state), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._file)
