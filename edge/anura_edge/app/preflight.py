"""Checks that settings fit the model, the files and the folders of this machine, as `run` needs them."""

from anura_edge.config.device import Config
from anura_edge.config.operation import MqttSettings
from anura_edge.config.source import parse_source
from anura_edge.detection.detector import rules_for
from anura_edge.errors import ConfigError, SourceError
from anura_edge.updates.active import active_bundle
from anura_edge.wire.mqtt import make_client


def check_settings(config: Config) -> None:
    """Raise ModelError, ConfigError or SourceError if `run` would refuse these settings. Nothing is changed."""
    rules_for(active_bundle(config), config.detect)
    if config.mqtt:
        check_broker_files(config.mqtt)
    folder = config.state_dir
    if place := next((each for each in (folder, *folder.parents) if each.exists() and not each.is_dir()), None):
        raise ConfigError(f"state_dir: {place} is a file; name a folder")
    if (config.device.latitude_deg is None) != (config.device.longitude_deg is None):
        raise ConfigError("device.latitude_deg and device.longitude_deg go together; write both or neither")
    check_source(config)


def check_broker_files(mqtt: MqttSettings) -> None:
    """Raise ConfigError if a file with a password, a key or a certificate cannot be used."""
    mqtt.password()
    mqtt.ack_key()
    make_client(ca_file=mqtt.ca_file, certificate=mqtt.certificate)


def check_source(config: Config) -> None:
    """Raise SourceError if the setting `source` names a folder or a file that does not exist."""
    if config.source is None:
        return
    source = parse_source(config.source)
    if source.kind == "folder" and not source.path.is_dir():
        raise SourceError(f"source: no folder {source.path}; name a folder of recordings, or mount the card")
    if source.kind == "file" and not source.path.is_file():
        raise SourceError(f"source: no file {source.path}; name a recording")
