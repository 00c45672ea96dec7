"""A small certificate authority for one broker and its devices: X.509 with keys on the curve P-256 (RFC 5280).

The names follow the profile of RFC 5280 with key identifiers and key usage, which strict readers demand.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 20 * 365
CERTIFICATE_DAYS = 10 * 365
"""Certificates of broker and devices outlive the hardware. A lost device is revoked, not waited for."""
NOT_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
"""A device without a battery-backed clock may be years behind."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, in PEM format."""

    certificate: str
    private_key: str = field(repr=False)


def make_authority(name: str) -> Certificate:
    """Return a new certificate authority, which signs itself."""
    key = generate_private_key(SECP256R1())
    subject = _subject(name)
    builder = _builder(subject, subject, key, AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return _pem(builder.add_extension(_usage(signs_certificates=True), critical=True).sign(key, SHA256()), key)


def issue_for_broker(authority: Certificate, host: str, days: float = CERTIFICATE_DAYS) -> Certificate:
    """Return a certificate for the broker, for its host name or address and for `localhost`."""
    try:
        name: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        name = x509.DNSName(host)
    names = x509.SubjectAlternativeName([name, x509.DNSName("localhost")])
    return _issue(authority, host, ExtendedKeyUsageOID.SERVER_AUTH, days, names)


def issue_for_client(authority: Certificate, user: str, days: float = CERTIFICATE_DAYS) -> Certificate:
    """Return a certificate for a client. The broker takes `user` from it, so no password is needed."""
    return _issue(authority, user, ExtendedKeyUsageOID.CLIENT_AUTH, days)


def broker_host(certificate: str) -> str:
    """Return the host name or address for which the certificate of a broker was made."""
    names = _load(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return str(names[0].value)


def revoke(authority: Certificate, revocations: str | None, certificates: list[str]) -> str:
    """Return the list of revoked certificates (CRL) with more certificates in it, in PEM format."""
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder(_load(authority.certificate).subject)
    builder = builder.last_update(NOT_BEFORE).next_update(now + timedelta(days=AUTHORITY_DAYS))
    for revoked in x509.load_pem_x509_crl(revocations.encode()) if revocations else ():
        builder = builder.add_revoked_certificate(revoked)
    for certificate in certificates:
        number = _load(certificate).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(now)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(_key(authority), SHA256()).public_bytes(Encoding.PEM).decode()


def _issue(
    authority: Certificate,
    name: str,
    purpose: x509.ObjectIdentifier,
    days: float,
    names: x509.SubjectAlternativeName | None = None,
) -> Certificate:
    key, issuer_key = generate_private_key(SECP256R1()), _key(authority)
    builder = _builder(_subject(name), _load(authority.certificate).subject, key, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = builder.add_extension(of_issuer, critical=False)
    if names:
        builder = builder.add_extension(names, critical=False)
    return _pem(builder.sign(issuer_key, SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, days: float
) -> x509.CertificateBuilder:
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOT_BEFORE)
    return builder.not_valid_after(datetime.now(UTC) + timedelta(days=days)).add_extension(own, critical=False)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _load(certificate: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.encode())


def _key(authority: Certificate) -> EllipticCurvePrivateKey:
    key = load_pem_private_key(authority.private_key.encode(), password=None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError("the key of the authority is not on an elliptic curve")
    return key


def _pem(certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> Certificate:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certificate(certificate.public_bytes(Encoding.PEM).decode(), private.decode())
