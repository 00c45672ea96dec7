"""Every error in a settings file is a ConfigError with file, line and remedy."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.config.device import Config
from anura_edge.config.yaml_loader import load, read_password
from anura_edge.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "anura.yaml"
    path.write_text(text)
    return path


def error_of(tmp_path: Path, text: str) -> str:
    """Return the error message for settings, without the path at its start."""
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(Config, path, {})
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    return message.removeprefix(f"{path}:")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("device:\n  site: pond\n  nmae: x\n", 3, ["unknown key 'device.nmae'", "did you mean 'name'?"]),
        ("detcet: {}\n", 1, ["unknown key 'detcet'", "did you mean 'detect'?"]),
        ("schema_versio: 1\n", 1, ["unknown key 'schema_versio'"]),
        ("schem: 1\n", 1, ["did you mean 'schema'?"]),
        ("\n\nxyzzy: 1\n", 3, ["unknown key 'xyzzy'", "known keys: schema, source"]),
        ("schema: 2\n", 1, ["schema", "not 2"]),
        ("mqtt:\n  port: 1\n", 1, ["'mqtt.host' is missing"]),
        ("watch:\n  debounce_s: 9999\n", 2, ["watch.debounce_s", "must be at most 3,600,", "not 9999"]),
        ("detect:\n  merge_gap_s: .nan\n", 2, ["detect.merge_gap_s", "not nan"]),
        ("detect:\n  thresholds:\n    A: 1\n    B: 1.5\n", 4, ["detect.thresholds.B", "not 1.5"]),
        ("detect:\n  thresholds: {1: 0.5}\n", 2, ["detect.thresholds"]),
        ("device:\n  site: a b\n", 2, ["device.site: write 1 to 32 letters", "not 'a b'"]),
        ("device:\n  site: 2026-01-01\n", 2, ["device.site: write a text, in quotes", "not 2026-01-01"]),
        ("device:\n  site:\n", 2, ["device.site: write a text", "not nothing"]),
        ("mqtt:\n  host: mqtt://a:1883\n", 2, ["mqtt.host: write a host name or an IP address alone"]),
        ("device:\n  site: 2026-13-01\n", None, ["put text in quotes"]),
        ("audio:\n  utc_offset: '+15:00'\n", 2, ["audio.utc_offset", "+14:59"]),
        ("audio:\n  channel: left\n", 2, ["audio.channel: write a whole number, or write 'loudest', not 'left'"]),
        ("audio:\n  trust_clock: maybe\n", 2, ["audio.trust_clock: write true or false, or write 'auto', not"]),
        ("audio: loud\n", 1, ["audio: write `key: value` lines below it, not 'loud'"]),
        ("model:\n  threads: two\n", 2, ["model.threads: write a whole number, not 'two'"]),
        ("source: micro\n", 1, ["source: write mic, folder:PATH or file:PATH, not 'micro'"]),
        ("mqtt:\n  host: a\n  ca_file: /none.pem\n", 3, ["mqtt.ca_file: there is no such file, not '/none.pem'"]),
        ("1: 2\n", 1, ["a key must be a text"]),
        ("- a\n", 1, ["`key: value` lines"]),
        ("just words\n", 1, ["`key: value` lines"]),
        ("null\n", 1, ["`key: value` lines"]),
        ("device: [\n", None, ["not YAML", "colons and indentation"]),
        ("device:\n\tsite: a\n", 2, ["not YAML"]),
        ("a: b: c\n", 1, ["not YAML"]),
        ("a: 1\n---\nb: 2\n", None, ["not YAML"]),
        ("device: *nobody\n", 1, ["without aliases"]),
        ("device: &d\n  site: *d\n", 2, ["without aliases"]),
        ("? [a, b]\n: 1\n", 1, ["`key: value` lines"]),
        ("device: !!python/object:os.system x\n", 1, ["could not determine a constructor"]),
        ("!!bool foo\n", None, ["put text in quotes"]),
        ("!!timestamp foo\n", None, ["put text in quotes"]),
        ("!!int foo\n", None, ["put text in quotes"]),
        ("device: {site: a}\ndevice: {name: b}\n", 2, ["duplicate key 'device'"]),
        ("device:\n  site: a\n  name: b\n  site: c\n", 4, ["duplicate key 'site'"]),
    ],
)
def test_error_names_its_line(tmp_path: Path, text: str, line: int | None, words: list[str]) -> None:
    message = error_of(tmp_path, text)
    assert line is None or message.startswith(f"{line}:")
    for word in words:
        assert word in message


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "detect: {release_ratio: 2}\naudio: {chanel: 1}\n")
    with pytest.raises(ConfigError) as caught:
        load(Config, path, {})
    assert [line.split(": ")[0] for line in sorted(str(caught.value).splitlines())] == [f"{path}:1", f"{path}:2"]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: No such file"):
        load(Config, tmp_path / "gone.yaml", {})
    with pytest.raises(ConfigError, match="is not a file"):
        load(Config, tmp_path, {})


@pytest.mark.parametrize("content", [b"\xff\xfe", b"site: f\xf6rster", b"a: \x00", b"PK\x03\x04\x14\x00\x08\x00"])
def test_binary_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "anura.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"anura\.yaml"):
        load(Config, tmp_path / "anura.yaml", {})


@given(st.text(alphabet="abde:{}[]&*!?|>-'\"\n\t 019.,#%@", max_size=40))
def test_any_text_is_settings_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text(text)
    try:
        load(Config, path, {})
    except ConfigError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017


def test_empty_file_and_no_file_are_the_defaults(tmp_path: Path) -> None:
    assert load(Config, write(tmp_path, "# nothing yet\n"), {}) == load(Config, None, {}) == Config()


def test_environment_overrides_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "device: {site: pond, name: one}\nmqtt: {host: here, port: 1}\n")
    environment = {
        "ANURA__DEVICE__NAME": "two",
        "ANURA__MQTT__PORT": "2",
        "ANURA__DETECT__RELEASE_RATIO": "0.25",
        "ANURA_DATA": "/elsewhere",
        "HOME": "/",
    }
    config = load(Config, path, environment)
    assert (config.device.site, config.device.name) == ("pond", "two")
    assert config.mqtt
    assert (config.mqtt.host, config.mqtt.port) == ("here", 2)
    assert config.detect.release_ratio == 0.25


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ANURA__DEVICE__NMAE", "x", ["did you mean 'name'?"]),
        ("ANURA__DEVICE__NAME", "a b", ["device.name", "not 'a b'"]),
        ("ANURA__AUDIO__CHANNEL", "left", ["audio.channel", "not 'left'"]),
        ("ANURA__DEVICE__NAME", "@me", ["not YAML", "quotes"]),
        ("ANURA__DEVICE__NAME", "2026-13-01", ["quotes"]),
        ("ANURA__DEVICE__NAME", "a: b: c", ["not YAML"]),
        ("ANURA__DEVICE", "3", ["device"]),
        ("ANURA__", "3", ["unknown key"]),
        ("ANURA__SOURCE__PATH", "x", ["source"]),
    ],
)
def test_error_in_the_environment_names_the_variable(name: str, value: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Config, None, {name: value})
    for word in (name, *words):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("detect: {release: 0.5}", "detect.release_ratio"),
        ("watch: {settle_s: 1}", "watch.debounce_s"),
        ("health: {patience_s: 60}", "health.watchdog_timeout_s"),
        ("energy: {duty: {listen_s: 60, period_s: 300}}", "energy.duty.on_s"),
        ("energy: {duty: {on_s: 60, every_s: 300}}", "energy.duty.period_s"),
        ("clips: {send: asked}", "clips.upload, and its value `asked` is now `on_request`"),
        ("clips: {send_mb_per_day: 20}", "clips.upload_mb_per_day"),
        ("journal: {keep_days: 30}", "journal.retention_days"),
    ],
)
def test_old_key_is_refused_and_new_one_named(tmp_path: Path, old: str, new: str) -> None:
    assert f"was renamed; write {new}" in error_of(tmp_path, old + "\n")


def test_new_names_of_renamed_keys_exist() -> None:
    schema = Config.model_json_schema()
    for old, new in Config.renamed_keys.items():
        section, *_ = new.split(",")
        assert _has_key(schema, section), f"{old} -> {new}"


def _has_key(schema: dict[str, Any], dotted: str) -> bool:
    node = schema
    for part in dotted.split("."):
        properties = node.get("properties", {})
        if part not in properties:
            return False
        node = properties[part]
        options = [node, *node.get("anyOf", [])]
        reference = next((option["$ref"] for option in options if "$ref" in option), None)
        node = schema["$defs"][reference.rsplit("/")[-1]] if reference else node
    return True


def test_old_environment_variable_is_refused_by_name() -> None:
    with pytest.raises(ConfigError) as caught:
        load(Config, None, {"ANURA__HEALTH__PATIENCE_S": "60"})
    expected = "ANURA__HEALTH__PATIENCE_S: 'health.patience_s' was renamed; write health.watchdog_timeout_s"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("text", "section", "key", "value"),
    [
        ("clips:\n  upload: off\n", "clips", "upload", "off"),
        ("device:\n  site: NO\n  name: on\n", "device", "site", "NO"),
        ("audio:\n  utc_offset: +10:00\n", "audio", "utc_offset", "+10:00"),
        ("audio:\n  trust_clock: yes\n", "audio", "trust_clock", True),
        ("clips:\n  enabled: on\n", "clips", "enabled", True),
        ("watch:\n  interval_s: 1e2\n", "watch", "interval_s", 100.0),
    ],
)
def test_plain_words_and_times_are_text(tmp_path: Path, text: str, section: str, key: str, value: object) -> None:
    """YAML 1.1 reads `off` as false and +10:00 as 600."""
    path = tmp_path / "anura.yaml"
    path.write_text(text)
    assert getattr(getattr(load(Config, path, {}), section), key) == value


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    path = tmp_path / "anura.yaml"
    path.write_text("device:\n  site: pond\n", encoding="utf-8-sig")
    assert load(Config, path, {}).device.site == "pond"
    path.write_text("secret\n", encoding="utf-8-sig")
    assert read_password(path).get_secret_value() == "secret"
