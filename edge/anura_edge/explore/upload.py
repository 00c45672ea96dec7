"""Store an uploaded recording as a temporary file while it is analysed."""

import re
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from anura_edge.errors import AnuraError, BusyError, ConfigError, SourceError
from anura_edge.sources.files.scan import printable
from anura_edge.sources.formats.kinds import AUDIO_SUFFIXES, PROPRIETARY_SUFFIXES

MAX_BYTES = 2**28
"""268 MB: 48 minutes of 16 bits at 96 kHz. The disk needs room for `MAX_CONCURRENT` uploads."""

_ANY_FORMAT = ".au"
"""Suffix for files with an unknown suffix: libsndfile then decides by content whether the file is audio."""


class TooLargeError(SourceError):
    """An upload is larger than the limit."""


class Upload:
    """A context manager that owns a temporary folder with one file, and deletes both at its end.

    The file's name contains the safe characters of the name that was sent, because recorders write times into names.
    """

    def __init__(self, name: str, within: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
        """Create the folder in `within`, or in the system's temporary folder."""
        self._within, self._max_bytes = within, max_bytes
        base_name = name.replace("\\", "/").replace("\0", "").rpartition("/")[2]
        self.name = printable(Path(base_name if base_name.strip(".") else "recording"))
        """The name that messages and the page show."""
        stem, suffix = Path(self.name).stem, Path(self.name).suffix.lower()
        suffix = suffix if suffix in AUDIO_SUFFIXES | PROPRIETARY_SUFFIXES else _ANY_FORMAT
        self._file_name = (re.sub(r"[^A-Za-z0-9_+-]", "_", stem)[-100:] or "_") + suffix

    def __enter__(self) -> "Upload":
        try:
            self.path = Path(tempfile.mkdtemp(prefix="anura-explore-", dir=self._within)) / self._file_name
            self._file = self.path.open("xb", buffering=0)
        except OSError as error:
            raise self._disk_error(error) from error
        self._bytes = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)  # the server's own temporary folder may already be deleted

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises TooLargeError above the limit, SourceError if the disk cannot store them.
        """
        self._bytes += len(data)
        check_size(self._bytes, self._max_bytes)
        try:
            self._file.write(data)
        except OSError as error:
            raise self._disk_error(error) from error

    def _disk_error(self, error: OSError) -> SourceError:
        where = self._within or tempfile.gettempdir()
        return SourceError(f"cannot store {self.name} for the analysis: {error.strerror}; make room in {where}")


def check_size(size: int, max_bytes: int = MAX_BYTES) -> None:
    """Raise TooLargeError if `size` bytes are more than `max_bytes`."""
    if size > max_bytes:
        raise TooLargeError(f"larger than {max_bytes / 1e6:.0f} MB; cut it, or save it as FLAC")


def status_of(error: AnuraError) -> int:
    """Return the HTTP status for an error."""
    statuses = {BusyError: 503, TooLargeError: 413, SourceError: 422, ConfigError: 422}
    return next((status for kind, status in statuses.items() if isinstance(error, kind)), 500)
