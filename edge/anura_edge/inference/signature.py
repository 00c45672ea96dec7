"""Signs bundles and checks signatures: Ed25519 (RFC 8032) over the manifest, which contains the hash of every file.

The signature is in base64 in `manifest.sig`. Keys are PEM files, as OpenSSL writes them. Only a device that checks
signatures needs `cryptography`: `pip install 'anura-edge[signing]'`.
"""

import base64
import binascii
from pathlib import Path

from anura_edge.errors import ConfigError, ModelError

SIGNATURE = "manifest.sig"


def sign(bundle: Path, manifest: bytes, private_key_file: Path) -> None:
    """Write the signature of a bundle's manifest. Raises ConfigError for an invalid key."""
    _check_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(private_key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"cannot read a private key from {private_key_file}: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{private_key_file} is no Ed25519 key; make one: openssl genpkey -algorithm ed25519")
    (bundle / SIGNATURE).write_bytes(base64.b64encode(key.sign(manifest)) + b"\n")


def check_signature(bundle: Path, manifest: bytes, public_key_file: Path) -> None:
    """Check that the owner of a public key signed exactly this manifest.

    Raises ModelError for a missing or wrong signature, ConfigError for an invalid key.
    """
    _check_cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(public_key_file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read a public key from {public_key_file}: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{public_key_file} is no Ed25519 public key; name the key that bundles are signed for")
    try:
        key.verify(base64.b64decode((bundle / SIGNATURE).read_bytes().strip(), validate=True), manifest)
    except OSError as error:
        raise ModelError(f"{bundle} is not signed: {error.strerror} ({SIGNATURE}); get a signed bundle") from error
    except (InvalidSignature, binascii.Error) as error:
        raise ModelError(
            f"{bundle} is not signed with the key of {public_key_file}, or was changed since; do not use it"
        ) from error


def _check_cryptography() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise ConfigError("signatures need `cryptography`: pip install 'anura-edge[signing]'") from error
