"""Fetches a bundle as one zip file."""

import urllib.error
import urllib.request
from hashlib import sha256
from pathlib import Path

from anura_edge.errors import ConfigError, ModelError
from anura_edge.wire import MAX_MODEL_BYTES

_BLOCK = 1 << 20
_TIMEOUT_S = 60.0


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
            if file.tell() + len(block) > MAX_MODEL_BYTES:
                path.unlink()
                raise ModelError(f"{url} is larger than {MAX_MODEL_BYTES} bytes; it is not a bundle")
            file.write(block)
        if answer.length:
            raise ConnectionError(f"the connection ended {answer.length} bytes early")
