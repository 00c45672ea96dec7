"""Takes what somebody sends, as a file for as long as it is heard."""

import re
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from anura_edge.errors import AnuraError, BusyError, ConfigError, SourceError
from anura_edge.sources.files.audio_file import AUDIO_SUFFIXES, PROPRIETARY_SUFFIXES
from anura_edge.sources.files.scan import printable

MAX_BYTES = 2**28
"""268 MB: 48 minutes of 16 bits at 96 kHz. The disk has room for as many as there are places."""

_ANY_FORMAT = ".au"
"""Given to a file whose suffix is none of a recorder's, so that libsndfile alone decides whether it is audio."""


class TooLargeError(SourceError):
    """More was sent than is taken."""


class Upload:
    """A file in a folder of its own, which is gone when this is left. A context manager.

    Only what is harmless in the name that was sent becomes the file's name: recorders write times there.
    """

    def __init__(self, name: str, within: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
        """Make the folder `within` another one, or else where the system wants such folders."""
        self._within, self._max_bytes = within, max_bytes
        own = name.replace("\\", "/").replace("\0", "").rpartition("/")[2]
        self.name = printable(Path(own if own.strip(".") else "recording"))
        """For people."""
        stem, suffix = Path(self.name).stem, Path(self.name).suffix.lower()
        suffix = suffix if suffix in AUDIO_SUFFIXES | PROPRIETARY_SUFFIXES else _ANY_FORMAT
        self._file_name = (re.sub(r"[^A-Za-z0-9_+-]", "_", stem)[-100:] or "_") + suffix

    def __enter__(self) -> "Upload":
        try:
            self.path = Path(tempfile.mkdtemp(prefix="anura-explore-", dir=self._within)) / self._file_name
            self._file = self.path.open("xb", buffering=0)
        except OSError as error:
            raise self._cannot_keep(error) from error
        self._bytes = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)  # whoever made the folder around it may have been first

    def write(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises TooLargeError when that makes too many, SourceError when the disk does not take them.
        """
        self._bytes += len(piece)
        check_size(self._bytes, self._max_bytes)
        try:
            self._file.write(piece)
        except OSError as error:
            raise self._cannot_keep(error) from error

    def _cannot_keep(self, error: OSError) -> SourceError:
        where = self._within or tempfile.gettempdir()
        return SourceError(f"cannot keep {self.name} while it is heard: {error.strerror}; make room in {where}")


def check_size(size: int, max_bytes: int = MAX_BYTES) -> None:
    """Raise TooLargeError for more than is taken."""
    if size > max_bytes:
        raise TooLargeError(f"larger than {max_bytes / 1e6:.0f} MB; cut it, or save it as FLAC")


def status_of(error: AnuraError) -> int:
    """Return the status of HTTP that says what an error says."""
    statuses = {BusyError: 503, TooLargeError: 413, SourceError: 422, ConfigError: 422}
    return next((status for kind, status in statuses.items() if isinstance(error, kind)), 500)
