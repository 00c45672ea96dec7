"""A model bundle: a folder with a model, its model card, its manifest, and a golden clip with expected scores.

model.onnx  manifest.json  MODEL_CARD.md  golden/clip.flac  golden/scores.npy  and, with many sources, CREDITS.md
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from anura_edge import __version__
from anura_edge.config.paths import expand_home
from anura_edge.errors import ModelError
from anura_edge.inference.manifest import Manifest
from anura_edge.inference.signature import check_signature
from anura_edge.wire import Provenance

MODEL, MANIFEST, CARD, CREDITS = "model.onnx", "manifest.json", "MODEL_CARD.md", "CREDITS.md"
GOLDEN_CLIP, GOLDEN_SCORES = "golden/clip.flac", "golden/scores.npy"

DEFAULT_BUNDLE = Path(__file__).parents[1] / "bundles" / "frogs-eastern-north-america"
"""The bundle that is used without a setting."""

STREAM_BUNDLE = DEFAULT_BUNDLE.with_name("frogs-eastern-north-america-stream")
"""The stream model that is part of anura-edge, for devices that are too slow for the default one."""

SHIPPED_BUNDLES = {
    "default": DEFAULT_BUNDLE,
    "small": DEFAULT_BUNDLE.with_name("frogs-eastern-north-america-small"),
    "stream": STREAM_BUNDLE,
}
"""The bundles that are part of anura-edge, by the name that a setting or a command takes instead of a folder."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files match its manifest."""

    path: Path
    manifest: Manifest
    model: bytes
    """The complete ONNX graph. Tensors in other files are not loaded."""

    @property
    def model_sha256(self) -> str:
        """Identity of the model. Every row contains it."""
        return self.manifest.files[MODEL]

    def golden(self) -> tuple[Path, np.ndarray]:
        """Return the path of the golden clip and the scores it must give, shape (frames, labels)."""
        return self.path / GOLDEN_CLIP, np.load(self.path / GOLDEN_SCORES, allow_pickle=False)


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def load_bundle(path: Path, public_key_file: Path | None = None) -> Bundle:
    """Read a bundle and check every file against the manifest. With a public key, check the manifest's signature too.

    `path` is a folder, or a name of SHIPPED_BUNDLES. A folder with such a name needs its absolute path.

    Raises ModelError that names the file and the difference; ConfigError for an invalid key. The golden scores are
    checked later, by `anura_edge.inference.loading`, which can run the model.
    """
    path = SHIPPED_BUNDLES.get(str(path)) or expand_home(path)
    manifest = _read_manifest(path, public_key_file)
    for name in (MODEL, CARD, GOLDEN_CLIP, GOLDEN_SCORES):
        if name not in manifest.files:
            raise ModelError(f"{path / MANIFEST} does not list {name}; export the bundle again")
    contents = {name: _read_checked(path, name, expected) for name, expected in manifest.files.items()}
    return Bundle(path, manifest, contents[MODEL])


def _read_manifest(path: Path, public_key_file: Path | None) -> Manifest:
    try:
        content = (path / MANIFEST).read_bytes()
        if public_key_file:  # before any content is trusted
            check_signature(path, content, public_key_file)
        return Manifest.model_validate_json(content)
    except OSError as error:
        raise ModelError(
            f"no model bundle at {path}: {error.strerror} ({MANIFEST}); name a bundle's folder, or "
            f"{', '.join(SHIPPED_BUNDLES)}, which are part of anura-edge"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its JSON"
        raise ModelError(f"{path / MANIFEST}: {where}: {first['msg']}; export the bundle again") from error


def _read_checked(path: Path, name: str, expected: str) -> bytes:
    file = path / name
    if not file.resolve().is_relative_to(path.resolve()):
        raise ModelError(f"{path / MANIFEST} lists {name!r}, which is outside the bundle; do not use this bundle")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror}; copy the bundle again") from error
    if (found := sha256(data)) != expected:
        raise ModelError(
            f"{file} is damaged: its SHA-256 is {found[:12]}..., the manifest says {expected[:12]}...; "
            "copy the bundle again"
        )
    return data


def provenance_of(bundle: Bundle, config_hash: str) -> Provenance:
    """Return what made the rows of this program with a bundle and settings."""
    manifest = bundle.manifest
    return Provenance(manifest.id, manifest.version, bundle.model_sha256, config_hash, __version__)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a bundle's manifest as indented JSON."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (path / MANIFEST).write_text(text + "\n", encoding="utf-8")
