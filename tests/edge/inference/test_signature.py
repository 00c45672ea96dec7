"""A device with a public key uses only bundles that were signed with its private key."""

import builtins
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from anura_edge.cli.main import app
from anura_edge.errors import ConfigError, ModelError
from anura_edge.inference.bundle import MANIFEST, load_bundle
from anura_edge.inference.signature import SIGNATURE, sign

pytest.importorskip("cryptography", reason="signatures need anura-edge[signing]")

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def write_keys(folder: Path, key: Any = None) -> tuple[Path, Path]:
    """Write a private and a public key as OpenSSL does."""
    key = key or Ed25519PrivateKey.generate()
    folder.mkdir(exist_ok=True)
    private, public = folder / "key.pem", folder / "key.pub.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def public(own_bundle: Path, tmp_path: Path) -> Path:
    """Sign the bundle and return the public key."""
    private, public = write_keys(tmp_path / "keys")
    sign(own_bundle, (own_bundle / MANIFEST).read_bytes(), private)
    return public


def test_signed_bundle_loads_with_and_without_its_key(own_bundle: Path, public: Path) -> None:
    assert load_bundle(own_bundle, public).manifest == load_bundle(own_bundle).manifest


def test_signature_of_another_key_is_refused(own_bundle: Path, public: Path, tmp_path: Path) -> None:
    _, others = write_keys(tmp_path / "others")
    with pytest.raises(ModelError, match="not signed with the key"):
        load_bundle(own_bundle, others)


def test_changed_manifest_is_refused(own_bundle: Path, public: Path) -> None:
    text = (own_bundle / MANIFEST).read_text()
    (own_bundle / MANIFEST).write_text(text.replace('"Two tones"', '"Two lies!"'))
    load_bundle(own_bundle)
    with pytest.raises(ModelError, match="was changed since"):
        load_bundle(own_bundle, public)


@pytest.mark.parametrize("content", [b"", b"not base64!", b"AAAA", b"\xff"])
def test_invalid_signature_is_refused(own_bundle: Path, public: Path, content: bytes) -> None:
    (own_bundle / SIGNATURE).write_bytes(content)
    with pytest.raises(ModelError, match="not signed with the key"):
        load_bundle(own_bundle, public)


def test_unsigned_bundle_is_refused(own_bundle: Path, public: Path) -> None:
    (own_bundle / SIGNATURE).unlink()
    with pytest.raises(ModelError, match="is not signed"):
        load_bundle(own_bundle, public)


def test_invalid_key_is_a_config_error(own_bundle: Path, public: Path, tmp_path: Path) -> None:
    private, other = write_keys(tmp_path / "other", generate_private_key(SECP256R1()))
    manifest = (own_bundle / MANIFEST).read_bytes()
    for wrong in (other, private, tmp_path / "nowhere.pem", own_bundle / MANIFEST):
        with pytest.raises(ConfigError, match=str(wrong)):
            load_bundle(own_bundle, wrong)
        with pytest.raises(ConfigError, match=str(wrong)):
            sign(own_bundle, manifest, wrong)


def test_missing_library_is_named(own_bundle: Path, public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return load(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"anura-edge\[signing\]"):
        load_bundle(own_bundle, public)


def test_command_names_the_public_key(own_bundle: Path, public: Path) -> None:
    shown = CliRunner().invoke(app, ["model", "verify", str(own_bundle), "--public-key", str(public)])
    assert shown.exit_code == 0
    assert f"signed for {public}" in shown.stdout
