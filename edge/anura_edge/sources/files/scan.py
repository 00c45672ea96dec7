"""Lists the files below a folder."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anura_edge.errors import SourceError
from anura_edge.wire import MAX_TEXT

NOT_RECORDINGS = frozenset(
    {"System Volume Information", "$RECYCLE.BIN", "RECYCLER", "lost+found", ".Spotlight-V100", ".fseventsd", ".Trashes"}
)
"""What operating systems keep on a card for themselves."""

NOT_RECORDINGS_BEGIN = ("._", ".Trash-")
"""AppleDouble: macOS writes `._NAME.wav` beside each NAME.wav. And what was thrown away on Linux."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as a scan saw it."""

    path: Path
    name: str
    """Path below the scanned folder, for people."""
    size: int
    mtime_ns: int


OnSkipped = Callable[[str, str, int], None]
"""Is told what was left for another scan: a short word for why, a sentence for people, how many files or folders."""


def ignore_skipped(_reason: str, _detail: str, _count: int) -> None:
    """Tell nobody what was left."""


def scan(root: Path, left: OnSkipped = ignore_skipped) -> Iterator[FoundFile]:
    """Yield every regular file below a folder in the order of names; links are not followed.

    Memory grows with the largest folder, not with the card. Other file systems that are mounted below are not entered.
    Raises SourceError if the folder itself cannot be read; folders below that cannot are left.
    """
    if not root.is_dir():
        raise SourceError(f"no folder {root}; name the folder that holds the recordings, or mount the card")
    try:
        device = root.stat().st_dev
        waiting = _listing(root)
    except OSError as error:
        raise SourceError(f"cannot read {root}: {error.strerror}") from error
    while waiting:  # not by recursion: a damaged card can hold folders deeper than Python's stack
        entry = waiting.pop()
        name = printable(Path(entry.path).relative_to(root))
        try:
            if entry.is_dir(follow_symlinks=False):
                if entry.stat(follow_symlinks=False).st_dev == device:
                    waiting += _listing(entry)
                else:
                    left("file_system", f"{name}: another file system; name it as a source of its own", 1)
            elif entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield FoundFile(Path(entry.path), name, status.st_size, status.st_mtime_ns)
        except FileNotFoundError:  # gone since the listing
            continue
        except OSError as error:
            left("folder", f"{name}: {error.strerror}; what is in it was not heard", 1)


def _listing(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    """Return what is in a folder as a stack: the first name is on top."""
    with os.scandir(folder) as listing:
        ours = (
            entry
            for entry in listing
            if entry.name not in NOT_RECORDINGS and not entry.name.startswith(NOT_RECORDINGS_BEGIN)
        )
        return sorted(ours, key=lambda entry: entry.name, reverse=True)


def printable(path: Path) -> str:
    """Return a path for people and rows: no control characters, readable if not UTF-8, the end of a very long one."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)[-MAX_TEXT:]
