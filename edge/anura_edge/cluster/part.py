"""A part: the results of one shard, as compressed lines of JSON, one for each file."""

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field

from anura_edge.audio import Recording
from anura_edge.errors import UnreadableError
from anura_edge.events import Effort, Event
from anura_edge.sources.files.identity import AudioIdentity
from anura_edge.sources.files.regular_file import INTERRUPTED


class FileResult(BaseModel):
    """What the analysis of one file found, or why it could not be analysed."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    name: str
    size: int
    mtime_ns: int
    recording: Recording | None = None
    """None if the file could not be opened."""
    identity: AudioIdentity | None = None
    events: tuple[Event, ...] = ()
    efforts: tuple[Effort, ...] = ()
    analysis: UUID = Field(default_factory=uuid4)
    reason: str = ""
    """Why the file, or its end, is unreadable. Empty if all of it was analysed."""
    detail: str = ""

    @property
    def error(self) -> UnreadableError | None:
        """The error of the file, if any."""
        return UnreadableError(self.reason, self.detail) if self.reason else None

    @property
    def is_interrupted(self) -> bool:
        """Whether another attempt may read the file."""
        return self.reason == INTERRUPTED


class PartStore:
    """The folder of the parts. A part with an interrupted file is used once, and made again by the next run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def has(self, key: str) -> bool:
        """Return whether a part is complete."""
        return self._path(key).is_file()

    def add(self, key: str, content: bytes) -> None:
        """Store a part: under a temporary name first, so that a part with its name is complete."""
        is_final = not any(result.is_interrupted for result in decode(content))
        path = self._path(key) if is_final else self._unfinished(key)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_bytes(content)
        temporary.replace(path)

    def read(self, key: str) -> Iterator[FileResult]:
        """Yield the results of a part."""
        path = self._path(key) if self.has(key) else self._unfinished(key)
        return decode(path.read_bytes())

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.jsonl.gz"

    def _unfinished(self, key: str) -> Path:
        return self._folder / f"{key}.interrupted.jsonl.gz"


def encode(results: Iterable[FileResult]) -> bytes:
    """Return the content of a part."""
    return gzip.compress("".join(f"{result.model_dump_json()}\n" for result in results).encode(), mtime=0)


def decode(content: bytes) -> Iterator[FileResult]:
    """Yield the results in a part."""
    return map(FileResult.model_validate_json, gzip.decompress(content).splitlines())
