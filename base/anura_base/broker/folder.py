"""The folder of the broker's credentials, `/etc/anura/broker`, which `deploy/base/mosquitto.conf` names.

| file | content | who reads it |
|---|---|---|
| `ca.crt`, `ca.key` | the certificate authority | everyone; only root |
| `broker.crt`, `broker.key` | certificate of the broker | the broker |
| `revoked.crl` | certificates of lost devices | the broker |
| `passwords` | hashes of the passwords | the broker |
| `base-password` | password of the base station | the base station |
| `devices/SITE.DEVICE.crt` | certificates of devices, to revoke them | only root |
"""

from dataclasses import dataclass
from pathlib import Path

from anura_base.broker import certificates, passwords
from anura_base.broker.certificates import Certificate
from anura_base.ingest.messages import DeviceKey
from anura_edge.config.private_files import write_private
from anura_edge.errors import ConfigError
from anura_edge.wire.join_file import JoinFile

BASE_USER = "base"
"""User name of the base station. It cannot be that of a device, which contains a slash."""
PASSWORD_PORT, CERTIFICATE_PORT = 8883, 8884
"""Ports of the broker for devices with a password, and for devices with a certificate."""


@dataclass(frozen=True, slots=True)
class BrokerFolder:
    """The credentials of a broker."""

    path: Path

    def create(self, host: str) -> None:
        """Create the files that are missing: authority, broker certificate, revocation list, password of the base.

        Raises ConfigError if a file cannot be written, or if the certificate is for another host.
        """
        try:
            (self.path / "devices").mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make {self.path}: {error.strerror}; use sudo, or another --folder") from error
        if not (self.path / "ca.key").exists():
            self._write_pair("ca", certificates.make_authority(f"anura {host}"), for_group=False)
        if not (self.path / "broker.key").exists():
            self._write_pair("broker", certificates.issue_for_broker(self._authority(), host), for_group=True)
        if (known := certificates.broker_host(self._read("broker.crt"))) != host:
            reason = f"the certificate in {self.path} is for {known}, not {host}"
            raise ConfigError(f"{reason}; delete broker.crt and broker.key there to make another one")
        if not (self.path / "revoked.crl").exists():
            self._write("revoked.crl", certificates.revoke(self._authority(), None, []))
        if not (self.path / "base-password").exists():
            password = passwords.new_password()
            passwords.set_password(self.path / "passwords", BASE_USER, password)
            self._write("base-password", f"{password}\n")

    def provision(self, device: DeviceKey, ack_key: str, *, with_certificate: bool) -> JoinFile:
        """Give a device new credentials, and return its join file. Former ones are invalid after a broker reload.

        Raises ConfigError if the folder was not created, or a file cannot be written.
        """
        host, user = certificates.broker_host(self._read("broker.crt")), _user(device)
        self.revoke(device)
        own = certificates.issue_for_client(self._authority(), user) if with_certificate else None
        password = passwords.new_password()
        if own:
            write_private(self._certificate_file(device), own.certificate)
        else:
            passwords.set_password(self.path / "passwords", user, password)
        return JoinFile(
            site=device.site,
            device=device.device,
            host=host,
            port=CERTIFICATE_PORT if own else PASSWORD_PORT,
            password=password,
            ca=self._read("ca.crt"),
            ack_key=ack_key,
            certificate=own.certificate if own else None,
            private_key=own.private_key if own else None,
        )

    def revoke(self, device: DeviceKey) -> bool:
        """Make the credentials of a device invalid. Return whether it had any. Raises ConfigError."""
        file, user = self.path / "passwords", _user(device)
        had_password, certificate = passwords.has_user(file, user), self._certificate_file(device)
        if had_password:
            passwords.remove_user(file, user)
        if certificate.exists():
            old = self._read("revoked.crl")
            self._write("revoked.crl", certificates.revoke(self._authority(), old, [certificate.read_text()]))
            certificate.unlink()
            return True
        return had_password

    def _certificate_file(self, device: DeviceKey) -> Path:
        return self.path / "devices" / f"{device.site}.{device.device}.crt"  # a name contains no dot

    def _authority(self) -> Certificate:
        return Certificate(self._read("ca.crt"), self._read("ca.key"))

    def _write_pair(self, name: str, pair: Certificate, *, for_group: bool) -> None:
        """Write the key last: it says that the pair is complete."""
        self._write(f"{name}.crt", pair.certificate)
        write_private(self.path / f"{name}.key", pair.private_key, for_group=for_group)

    def _write(self, name: str, content: str) -> None:
        write_private(self.path / name, content, for_group=True)

    def _read(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="ascii")
        except OSError as error:
            reason = f"cannot read {self.path / name}: {error.strerror}"
            raise ConfigError(f"{reason}; use sudo, and run `anura-base broker create HOST` first") from error


def _user(device: DeviceKey) -> str:
    return f"{device.site}/{device.device}"
