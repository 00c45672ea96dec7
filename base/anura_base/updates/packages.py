"""The bundles that devices can be given: their zip files, in parts of the size that is sent."""

import hashlib
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from anura_base.updates.tables import model_packages, model_parts
from anura_edge.errors import ConfigError, ModelError
from anura_edge.inference.bundle import load_bundle
from anura_edge.inference.packed_bundle import unpack
from anura_edge.inference.signature import SIGNATURE
from anura_edge.wire import MAX_MODEL_BYTES, MAX_PART_BYTES


def add_package(connection: Connection, file: Path, public_key: Path | None, now: datetime) -> Row[Any]:
    """Store a bundle. A stored one stays as it is. Return its row.

    Raises ConfigError if there is no such file; ModelError if it is no bundle, unsigned, damaged or too large.
    """
    try:
        content = file.read_bytes() if file.stat().st_size <= MAX_MODEL_BYTES else b""
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}; name the zip file of a bundle") from error
    if not content:
        raise ModelError(f"{file} is empty, or larger than {MAX_MODEL_BYTES} bytes; it is not a bundle")
    with TemporaryDirectory(prefix="anura-model-") as folder:
        unpack(file, Path(folder))
        bundle = load_bundle(Path(folder), public_key)
        if not (Path(folder) / SIGNATURE).exists():
            raise ModelError(f"{file} is not signed, and devices refuse it; export it with --sign KEY")
    sha256 = hashlib.sha256(content).hexdigest()
    if found := connection.execute(select(model_packages).where(model_packages.c.sha256 == sha256)).first():
        return found
    manifest = bundle.manifest
    _delete_same_version(connection, manifest.id, manifest.version)
    row: dict[str, Any] = {
        "sha256": sha256,
        "model_id": manifest.id,
        "version": manifest.version,
        "licence": manifest.licence,
    }
    row |= {"size": len(content), "model_sha256": bundle.model_sha256}
    connection.execute(insert(model_packages).values(**row, added_utc=now))
    for first in range(0, len(content), MAX_PART_BYTES):
        part = content[first : first + MAX_PART_BYTES]
        connection.execute(insert(model_parts).values(sha256=sha256, first_byte=first, data=part))
    return connection.execute(select(model_packages).where(model_packages.c.sha256 == sha256)).one()


def find_package(connection: Connection, name: str) -> Row[Any]:
    """Return the row of a bundle that is named ID-VERSION. Raises ConfigError."""
    for package in connection.execute(select(model_packages)):
        if f"{package.model_id}-{package.version}" == name:
            return package
    names = [f"{each.model_id}-{each.version}" for each in connection.execute(select(model_packages))]
    stored = f"stored are {', '.join(sorted(names))}" if names else "none is stored"
    raise ConfigError(f"there is no model {name}: {stored}; add one with `anura-base model add FILE`")


def read_part(connection: Connection, sha256: str, offset: int) -> bytes:
    """Return the bytes from a position to the end of the stored part. Empty at the end of the file."""
    first = offset // MAX_PART_BYTES * MAX_PART_BYTES
    where = model_parts.c.sha256 == sha256, model_parts.c.first_byte == first
    data = connection.scalar(select(model_parts.c.data).where(*where))
    return bytes(data[offset - first :]) if data else b""


def _delete_same_version(connection: Connection, model: str, version: str) -> None:
    """Delete another file of this version: a name must mean one file."""
    same = model_packages.c.model_id == model, model_packages.c.version == version
    for sha256 in connection.scalars(select(model_packages.c.sha256).where(*same)).all():
        connection.execute(delete(model_parts).where(model_parts.c.sha256 == sha256))
        connection.execute(delete(model_packages).where(model_packages.c.sha256 == sha256))
