"""Unpacks a bundle that is one zip file. Nothing in the file is trusted."""

import re
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from anura_edge.errors import ModelError
from anura_edge.inference.bundle import MANIFEST
from anura_edge.wire import MAX_MODEL_BYTES

MAX_FILES = 100
_BLOCK = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def unpack(path: Path, folder: Path) -> None:
    """Unpack a bundle into an empty folder. Its files may lie in one folder of the zip file.

    Raises ModelError if it is no zip file, contains no manifest, is too large, or has names that lead elsewhere.
    """
    try:
        with ZipFile(path) as file:
            _unpack(path, file, folder)
    # zipfile raises NotImplementedError for an unknown compression, and RuntimeError for an encrypted file.
    except (BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ModelError(f"{path} is damaged, or not a zip file: {error}; download it again") from error


def _unpack(path: Path, file: ZipFile, folder: Path) -> None:
    entries = [entry for entry in file.infolist() if not entry.is_dir()]
    manifest = next((entry.filename for entry in entries if entry.filename.split("/")[-1] == MANIFEST), None)
    if manifest is None or manifest.count("/") > 1 or len(entries) > MAX_FILES:
        raise ModelError(f"{path} is not a bundle: it contains no {MANIFEST}, or more than {MAX_FILES} files")
    prefix = manifest.removesuffix(MANIFEST)
    left = MAX_MODEL_BYTES
    for entry in entries:
        name = entry.filename.removeprefix(prefix)
        if not entry.filename.startswith(prefix) or not _NAME.fullmatch(name):
            raise ModelError(f"{path} contains {entry.filename!r}, which is no file of a bundle; do not use it")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with file.open(entry) as source, target.open("wb") as copy:
            while block := source.read(_BLOCK):  # the size in the zip file may be wrong
                left -= len(block)
                if left < 0:
                    raise ModelError(f"{path} unpacks to more than {MAX_MODEL_BYTES} bytes; do not use it")
                copy.write(block)
