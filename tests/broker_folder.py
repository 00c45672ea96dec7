"""A real broker with the configuration in deploy/base, and devices that are provisioned at it."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support import Broker, eventually, free_port

from anura_base.broker.folder import BrokerFolder
from anura_base.ingest.messages import DeviceKey
from anura_edge.config.device import Config
from anura_edge.config.joining import apply_join_file
from anura_edge.config.operation import MqttSettings
from anura_edge.config.yaml_loader import load
from anura_edge.wire.join_file import JoinFile

DEPLOY = Path(__file__).parents[1] / "deploy"
BIN = Path(sys.executable).parent
ACK_KEY = "00" * 32


@dataclass
class SecuredBroker:
    """The broker, its credentials, and the ports that stand for 8883 and 8884."""

    folder: Path
    broker: Broker
    certificate_port: int

    @property
    def credentials(self) -> BrokerFolder:
        """The folder that stands for /etc/anura/broker."""
        return BrokerFolder(self.folder / "broker")

    def join(self, site: str, device: str, *, with_certificate: bool = False) -> MqttSettings:
        """Provision a device and let it join. Return its settings of the broker."""
        join = self.credentials.provision(DeviceKey(site, device), ACK_KEY, with_certificate=with_certificate)
        return self.apply(join, self.folder / f"{site}-{device}" / "anura.yaml")

    def apply(self, join: JoinFile, settings: Path) -> MqttSettings:
        """Let a device join at the port of this broker. Return its settings of the broker."""
        settings.parent.mkdir(exist_ok=True)
        port = self.certificate_port if join.certificate else self.broker.port
        apply_join_file(join.model_copy(update={"port": port}), settings)
        mqtt = load(Config, settings, {}).mqtt
        assert mqtt
        return mqtt

    @property
    def base(self) -> MqttSettings:
        """The settings of the base station, as far as a device has them, too."""
        path = self.credentials.path
        files = {"password_file": path / "base-password", "ca_file": path / "ca.crt"}
        return MqttSettings(host="localhost", port=self.broker.port, username="base", **files)  # type: ignore[arg-type]

    def restart(self) -> None:
        """Restart the broker, as an administrator does after a change."""
        self.broker.stop()
        self.start()

    def start(self) -> None:
        """Start the broker, and wait until it accepts connections on both ports."""
        self.broker.start()
        eventually(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.certificate_port)) == 0


@contextmanager
def secured_broker(folder: Path) -> Iterator[SecuredBroker]:
    """Run mosquitto with deploy/base/mosquitto.conf and deploy/base/anura.acl, with other paths and free ports."""
    BrokerFolder(folder / "broker").create("localhost")
    certificate_port = free_port()
    text = (DEPLOY / "base" / "mosquitto.conf").read_text(encoding="utf-8")
    (folder / "anura.acl").write_text((DEPLOY / "base" / "anura.acl").read_text(encoding="utf-8"))
    for documented, actual in {
        "/etc/anura/broker": f"{folder}/broker",
        "/etc/mosquitto/anura.acl": f"{folder}/anura.acl",
        "listener 8883\n": "",  # the helper writes this line
        "listener 8884\n": f"listener {certificate_port} 127.0.0.1\n",
    }.items():
        assert documented in text
        text = text.replace(documented, actual)
    secured = SecuredBroker(folder, Broker(folder, free_port(), settings=text), certificate_port)
    secured.start()
    try:
        yield secured
    finally:
        secured.broker.stop()


def start_base(settings: Path) -> "subprocess.Popen[str]":
    """Start a base station, and return when its pages are ready."""
    base = subprocess.Popen([BIN / "anura-base", "run", "--config", settings], stdout=subprocess.PIPE, text=True)
    assert base.stdout
    assert "http://" in base.stdout.readline()
    return base
