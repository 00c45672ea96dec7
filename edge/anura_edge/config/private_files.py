"""Writes files with secrets: atomically, and never readable for other users, not even for a moment."""

import os
import tempfile
from pathlib import Path

from anura_edge.errors import ConfigError

_GROUP_READS = 0o040


def write_private(path: Path, content: str, *, for_group: bool = False) -> None:
    """Write a file that only its owner can read. A file that exists is replaced as a whole.

    With `for_group` the group of the folder can read it, too, if it can read the folder: so the services get the
    secrets that root writes into their folder. Raises ConfigError.
    """
    try:
        folder = path.parent.stat()
        descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            if for_group:
                os.fchown(descriptor, -1, folder.st_gid)
                os.fchmod(descriptor, 0o600 | folder.st_mode & _GROUP_READS)
            file.flush()
            os.fsync(descriptor)
        Path(unfinished).replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; check the folder and your rights") from error
