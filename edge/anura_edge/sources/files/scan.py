"""Lists the files below a folder."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anura_edge.errors import SourceError
from anura_edge.sources.formats.kinds import AUDIO_SUFFIXES
from anura_edge.wire import MAX_TEXT

SYSTEM_NAMES = frozenset(
    {"System Volume Information", "$RECYCLE.BIN", "RECYCLER", "lost+found", ".Spotlight-V100", ".fseventsd", ".Trashes"}
)
"""Files and folders of operating systems on a card."""

SYSTEM_PREFIXES = ("._", ".Trash-")
"""AppleDouble files, which macOS writes as `._NAME.wav` next to each NAME.wav, and the trash of Linux."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file and its metadata at the time of a scan."""

    path: Path
    name: str
    """Readable path below the scanned folder."""
    size: int
    mtime_ns: int
    ctime_ns: int = 0
    """When its content, name or permissions last changed. No program can set it."""
    inode: int = 0
    """Number of the file: another file of the same name has another one."""


OnSkipped = Callable[[str, str, int], None]
"""Called with what a scan skipped: a short code of the reason, a sentence, and the number of files or folders."""


def ignore_skipped(_reason: str, _detail: str, _count: int) -> None:
    """Do nothing about skipped files."""


def scan(root: Path, on_skipped: OnSkipped = ignore_skipped) -> Iterator[FoundFile]:
    """Yield every regular file below a folder, in the order of names. Links are not followed.

    Memory grows with the largest folder, not with the card. Other mounted file systems below are skipped. Raises
    SourceError if the folder itself cannot be read; unreadable folders below it are skipped.
    """
    try:
        device = root.stat().st_dev
        stack = _listing(root)
    except (FileNotFoundError, NotADirectoryError) as error:
        reason = f"no folder {root}; name the folder that contains the recordings, or mount the card"
        raise SourceError(reason) from error
    except OSError as error:
        raise SourceError(f"cannot read {root}: {error.strerror}; check its rights") from error
    links = _SkippedLinks()
    while stack:  # not recursive: on a damaged card, folders can be nested deeper than Python's stack
        entry = stack.pop()
        name = printable(Path(entry.path).relative_to(root))
        try:
            if entry.is_dir(follow_symlinks=False):
                if entry.stat(follow_symlinks=False).st_dev == device:
                    stack += _listing(entry)
                else:
                    on_skipped("file_system", f"{name}: another file system; scan it as a source of its own", 1)
            elif entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield FoundFile(
                    Path(entry.path),
                    name,
                    status.st_size,
                    _within_int64(status.st_mtime_ns),
                    status.st_ctime_ns,
                    status.st_ino,
                )
            else:
                links.add(entry, name)
        except FileNotFoundError:  # deleted since the listing
            continue
        except OSError as error:
            on_skipped("folder", f"{name}: {error.strerror}; its content was not analysed", 1)
    if links.count:
        detail = f"{links.count} links were not followed, as {links.example}; scan what they lead to"
        on_skipped("link", detail, links.count)


class _SkippedLinks:
    """Counts links to folders and to audio. Their content may be anywhere, so they are not followed."""

    def __init__(self) -> None:
        self.count, self.example = 0, ""

    def add(self, entry: os.DirEntry[str], name: str) -> None:
        """Count an entry that is neither a folder nor a file, if it leads to recordings."""
        target = Path(entry.path)
        if entry.is_symlink() and (target.is_dir() or (target.is_file() and target.suffix.lower() in AUDIO_SUFFIXES)):
            self.count, self.example = self.count + 1, self.example or name


def _within_int64(number: int) -> int:
    """Return the nearest number that a database can store. Times beyond the year 2262 are none."""
    return max(-(2**63), min(number, 2**63 - 1))


def _listing(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    """Return the entries of a folder as a stack: the first name is on top."""
    with os.scandir(folder) as listing:
        entries = (
            entry for entry in listing if entry.name not in SYSTEM_NAMES and not entry.name.startswith(SYSTEM_PREFIXES)
        )
        return sorted(entries, key=lambda entry: entry.name, reverse=True)


def printable(path: Path) -> str:
    """Return a path as text for rows: without control characters, readable if not UTF-8, the end of a long one."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)[-MAX_TEXT:]
