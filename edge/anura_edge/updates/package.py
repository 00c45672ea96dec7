"""Fetches a bundle as one zip file, and unpacks it. Nothing in the file is trusted."""

import re
import urllib.error
import urllib.request
from hashlib import sha256
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from anura_edge.errors import ConfigError, ModelError
from anura_edge.inference.bundle import MANIFEST

MAX_BUNDLE_BYTES = 1 << 29
"""The largest bundle, packed or unpacked. The largest known one has 60 MB."""

MAX_FILES = 100
_BLOCK = 1 << 20
_TIMEOUT_S = 60.0
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def fetch(source: str, folder: Path) -> Path:
    """Return the bundle's zip file: a file of this machine, or one that is downloaded from `http(s)://` to `folder`.

    A download that broke off continues where it ended, if the server allows it. Raises ConfigError, ModelError.
    """
    if "://" not in source:
        path = Path(source)
        if not path.is_file():
            raise ConfigError(f"no file {path}; name the zip file of a bundle, or its URL")
        return path
    if not source.startswith(("https://", "http://")):
        raise ConfigError(f"{source}: only https:// and http:// are known")
    path = folder / f"{sha256(source.encode()).hexdigest()[:16]}.download"
    try:
        _download(source, path)
    except OSError as error:  # also urllib's errors
        raise ModelError(f"cannot download {source}: {error}; try again, the download continues") from error
    return path


def _download(url: str, path: Path) -> None:
    have = path.stat().st_size if path.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 (checked)
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310 (the scheme was checked)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # the file is complete
            return
        raise
    with answer, path.open("ab" if answer.status == 206 else "wb") as file:
        while block := answer.read(_BLOCK):
            if file.tell() + len(block) > MAX_BUNDLE_BYTES:
                path.unlink()
                raise ModelError(f"{url} is larger than {MAX_BUNDLE_BYTES} bytes; it is not a bundle")
            file.write(block)
        if answer.length:
            raise ConnectionError(f"the connection ended {answer.length} bytes early")


def unpack(path: Path, folder: Path) -> None:
    """Unpack a bundle into an empty folder. Its files may lie in one folder of the zip file.

    Raises ModelError if it is no zip file, contains no manifest, is too large, or has names that lead elsewhere.
    """
    try:
        with ZipFile(path) as file:
            _unpack(path, file, folder)
    except (BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ModelError(f"{path} is damaged, or not a zip file: {error}; download it again") from error


def _unpack(path: Path, file: ZipFile, folder: Path) -> None:
    entries = [entry for entry in file.infolist() if not entry.is_dir()]
    manifest = next((entry.filename for entry in entries if entry.filename.split("/")[-1] == MANIFEST), None)
    if manifest is None or manifest.count("/") > 1 or len(entries) > MAX_FILES:
        raise ModelError(f"{path} is not a bundle: it contains no {MANIFEST}, or more than {MAX_FILES} files")
    prefix = manifest.removesuffix(MANIFEST)
    left = MAX_BUNDLE_BYTES
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
                    raise ModelError(f"{path} unpacks to more than {MAX_BUNDLE_BYTES} bytes; do not use it")
                copy.write(block)
