"""Settings have safe defaults, contain no secrets, and are read back as they were printed."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from anura_edge.config.analysis import AudioSettings, DetectionSettings, ModelSettings
from anura_edge.config.device import Config, DeviceSettings
from anura_edge.config.energy import BatterySettings, DutyCycleSettings, EnergySettings, GateSettings
from anura_edge.config.operation import MqttSettings, WatchSettings
from anura_edge.config.yaml_loader import load
from anura_edge.errors import ConfigError

SECRET = "correct horse battery"

names = st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True)
shares = st.floats(0.001, 1)
paths = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30).map(Path)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


configs = st.builds(
    Config,
    source=optional(
        st.just("mic") | st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map("folder:{}".format)
    ),
    state_dir=paths,
    device=st.builds(
        DeviceSettings, site=names.filter(lambda n: n != "site"), name=names.filter(lambda n: n != "device")
    ),
    audio=st.builds(
        AudioSettings,
        channel=st.integers(0, 63) | st.just("loudest"),
        utc_offset=optional(st.from_regex(r"[+-]0[0-9]:[0-5][0-9]", fullmatch=True)),
        microphone=optional(st.integers(0, 99) | st.text(max_size=20)),
        block_s=st.floats(0.02, 10),
    ),
    model=st.builds(ModelSettings, bundle=optional(paths), threads=st.integers(1, 64)),
    detect=st.builds(
        DetectionSettings,
        threshold=optional(shares),
        thresholds=st.dictionaries(st.text(max_size=8), shares, max_size=4),
        release_ratio=shares,
        merge_gap_s=st.floats(0, 86_400),
        max_call_s=st.floats(1, 3_600),
    ),
    watch=st.builds(WatchSettings, interval_s=st.floats(0.05, 3_600), debounce_s=st.floats(0, 3_600)),
    mqtt=optional(
        st.builds(
            MqttSettings,
            host=names,
            port=st.integers(1, 65_535),
            username=optional(st.text(max_size=9)),
            password_file=st.none(),
            ca_file=st.none(),
        )
    ),
)


@pytest.fixture
def with_secret(tmp_path: Path) -> Config:
    (tmp_path / "password").write_text(SECRET + "\nsecond line\n")
    mqtt = MqttSettings(host="pond", username="frog", password_file=tmp_path / "password")
    return Config(device=DeviceSettings(site="pond", name="one"), mqtt=mqtt)


@settings(max_examples=50)
@given(configs)
def test_printed_settings_load_as_the_same(tmp_path_factory: pytest.TempPathFactory, config: Config) -> None:
    path = tmp_path_factory.getbasetemp() / "shown.yaml"
    path.write_text(yaml.safe_dump(config.effective(), sort_keys=False))
    assert load(Config, path, {}) == config


@given(configs)
def test_hash_changes_only_with_settings_that_shape_events(config: Config) -> None:
    other = config.model_copy(
        update={"source": "mic", "watch": WatchSettings(interval_s=7), "state_dir": Path("elsewhere")}
    )
    assert other.hash() == config.hash()
    assert config.model_copy(update={"detect": DetectionSettings(release_ratio=0.123)}).hash() != config.hash()
    for newer in ({"preset": "strict"}, {"range": 0.123}):
        changed = config.detect.model_copy(update=newer)
        assert config.model_copy(update={"detect": changed}).hash() != config.hash()


SAVING = EnergySettings(duty=DutyCycleSettings(on_s=60, period_s=300), gate=GateSettings(), battery=BatterySettings())


@pytest.mark.parametrize(
    ("config", "known"),
    [
        (Config(), "9216da915ed6"),
        (
            Config(
                audio=AudioSettings(channel=1, microphone="USB", trust_clock=True),
                detect=DetectionSettings(threshold=0.4),
            ),
            "6dff2a18ace5",
        ),
        (Config(audio=AudioSettings(block_s=2)), "9216da915ed6"),
        (Config(detect=DetectionSettings(release_ratio=0.3, thresholds={"A": 0.2})), "da29f9a65184"),
        (Config(energy=SAVING), "bf9d2fccef74"),
        (Config(detect=DetectionSettings(preset="default")), "9216da915ed6"),
    ],
)
def test_hash_of_equal_settings_is_the_same_in_every_version(config: Config, known: str) -> None:
    """Rows that were sent years ago contain it, and it decides which recordings are analysed again."""
    assert config.hash() == known


def test_defaults_are_valid_and_send_nothing() -> None:
    config = Config()
    assert Config.model_validate(config.effective()) == config
    assert config.mqtt is None
    assert config.journal_path.is_absolute()


def test_password_is_only_in_its_file(with_secret: Config) -> None:
    assert with_secret.mqtt
    password = with_secret.mqtt.password()
    assert password
    assert password.get_secret_value() == SECRET
    for shown in (repr(with_secret), str(with_secret), yaml.safe_dump(with_secret.effective()), with_secret.hash()):
        assert "horse" not in shown
    assert "horse" not in f"{password!r} {password}"


def test_password_in_the_settings_is_refused_and_not_printed(tmp_path: Path) -> None:
    path = tmp_path / "anura.yaml"
    path.write_text(f"device: {{site: a, name: b}}\nmqtt: {{host: x, password: {SECRET}}}\n")
    with pytest.raises(ConfigError, match="did you mean 'password_file'") as caught:
        load(Config, path, {})
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\xfa\n"])
def test_empty_password_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(ConfigError, match=r"mqtt\.password_file"):
        MqttSettings(host="x", password_file=tmp_path / "password").password()


@pytest.mark.parametrize("device", ["", "device: {site: pond}", "device: {name: one}"])
def test_broker_without_a_device_name_is_refused(tmp_path: Path, device: str) -> None:
    path = tmp_path / "anura.yaml"
    path.write_text(f"{device}\nmqtt: {{host: x}}\n")
    with pytest.raises(ConfigError, match=r"set device\.site and device\.name"):
        load(Config, path, {})


def test_broker_with_the_default_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "anura.yaml"
    path.write_text(yaml.safe_dump({**Config().effective(), "mqtt": {"host": "x"}}))
    with pytest.raises(ConfigError, match=r"set device\.site and device\.name"):
        load(Config, path, {})


@pytest.mark.parametrize(
    ("text", "minutes"), [("+00:00", 0), ("-05:00", -300), ("+05:45", 345), ("-03:30", -210), ("+14:00", 840)]
)
def test_offset_is_the_difference_to_utc(text: str, minutes: int) -> None:
    zone = AudioSettings(utc_offset=text).zone
    assert zone
    assert zone.utcoffset(None) == timedelta(minutes=minutes)
    assert AudioSettings().zone is None
