"""The setting `source`: a microphone, a folder or a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anura_edge.config.paths import expand_home


@dataclass(frozen=True, slots=True)
class Source:
    """Where audio comes from."""

    kind: Literal["mic", "folder", "file"]
    path: Path
    """The folder or the file. Empty for a microphone."""


def parse_source(text: str) -> Source:
    """Parse `mic`, `folder:PATH` or `file:PATH`. Raises ValueError."""
    if text == "mic":
        return Source("mic", Path())
    match text.partition(":"):
        case ("folder" | "file") as kind, _, path if path:
            return Source(kind, expand_home(Path(path)))
    raise ValueError("write mic, folder:PATH or file:PATH")
