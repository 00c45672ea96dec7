"""Settings of the base station: only those that it may change, on trial, and back again without a person."""

from pathlib import Path
from typing import Any

import pytest

from anura_edge.config.device import Config
from anura_edge.config.remote_settings import FILE, LOCAL_KEYS, TRIAL_STARTS, RemoteSettings, load_device
from anura_edge.errors import ConfigError
from anura_edge.wire import SettingsChange


def change(number: int = 1, removed: tuple[str, ...] = (), **values: Any) -> SettingsChange:
    keys = {key.replace("__", "."): value for key, value in values.items()}
    return SettingsChange(site="s", device="d", number=number, values=keys, removed=removed, confirm_s=60)


@pytest.fixture
def own(tmp_path: Path) -> Config:
    return Config.model_validate({"state_dir": tmp_path, "detect": {"preset": "sensitive"}})


@pytest.fixture
def remote(own: Config) -> RemoteSettings:
    return RemoteSettings(own.state_path)


def use(remote: RemoteSettings, own: Config, made: SettingsChange) -> Config:
    remote.preview(own, made)
    remote.accept(made)
    return remote.apply(own)


def test_changes_add_up_and_can_be_taken_back(remote: RemoteSettings, own: Config) -> None:
    assert use(remote, own, change(1, detect__preset="strict")).detect.preset == "strict"
    config = use(remote, own, change(2, energy__duty={"on_s": 60, "period_s": 600}, clips__max_s=5))
    assert config.energy.duty
    assert (config.detect.preset, config.energy.duty.on_s, config.clips.max_s) == ("strict", 60, 5)
    config = use(remote, own, change(3, energy__duty__on_s=30))
    assert config.energy.duty
    assert (config.energy.duty.on_s, config.energy.duty.period_s) == (30, 600)
    config = use(remote, own, change(4, energy__duty=None, removed=("detect",)))
    assert (config.detect.preset, config.energy.duty, config.clips.max_s) == ("sensitive", None, 5)
    assert use(remote, own, change(5, removed=("clips.max_s",))).clips == own.clips


@pytest.mark.parametrize(
    "values",
    [
        {"clips__enabled": True},
        {"clips__upload": "best"},
        {"clips": {"upload": "best"}},
        {"state_dir": "/"},
        {"source": "folder:/etc"},
        {"model__public_key_file": "/tmp/key"},
        {"model": {"bundle": "/tmp/bundle"}},
        {"mqtt__password_file": "/etc/shadow"},
        {"mqtt": {"host": "evil", "ca_file": "/tmp/ca"}},
        {"mqtt__ack_key_file": None},
        {"mqtt__ca_file": "/tmp/ca"},
        {"journal__max_mb": 1},
        {"device__name": "other"},
        {"health__prometheus_file": "/etc/passwd"},
        {"energy__battery": {"capacity_file": "/etc/passwd"}},
    ],
)
def test_base_station_cannot_change_local_settings(remote: RemoteSettings, own: Config, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="cannot be changed from the base station"):
        remote.preview(own, change(**values))


def test_each_file_of_the_settings_is_a_local_key() -> None:
    def keys(schema: dict[str, Any], whole: dict[str, Any]) -> set[str]:
        found: set[str] = set()
        for name, value in schema.get("properties", {}).items():
            for each in [value, *value.get("anyOf", [])]:
                found |= {name} if each.get("format") in ("path", "file-path") else set()
                if reference := each.get("$ref"):
                    found |= keys(whole["$defs"][reference.rpartition("/")[2]], whole)
        return found

    schema = Config.model_json_schema()
    assert "*_file" in LOCAL_KEYS
    assert {name for name in keys(schema, schema) if not name.endswith("_file")} == {"state_dir", "bundle"}


@pytest.mark.parametrize(
    "values", [{"detect__preset": "best"}, {"detect__unknown": 1}, {"audio__block_s": -1}, {"audio": 3}]
)
def test_invalid_change_is_refused_with_the_reason(remote: RemoteSettings, own: Config, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        remote.preview(own, change(**values))


def test_change_is_kept_only_by_a_device_that_started_with_it(remote: RemoteSettings, own: Config) -> None:
    use(remote, own, change(7, detect__preset="strict"))
    assert not remote.keep(7), "the base station answered the old settings"
    remote.begin_start()
    assert not remote.keep(6)
    assert remote.keep(7)
    assert not remote.roll_back("late")
    assert remote.state.state == "kept"
    assert remote.apply(own).detect.preset == "strict"


def test_change_without_an_answer_is_rolled_back_to_the_last_one_that_was_kept(
    remote: RemoteSettings, own: Config
) -> None:
    use(remote, own, change(1, detect__preset="strict"))
    remote.begin_start()
    remote.keep(1)
    use(remote, own, change(2, removed=("detect.preset",)))
    use(remote, own, change(3, clips__max_s=5))
    assert remote.roll_back("nobody answered")
    assert remote.state.state == "rolled_back"
    assert remote.apply(own).detect.preset == "strict"
    assert remote.apply(own).clips == own.clips


def test_device_that_cannot_run_with_a_change_is_rolled_back_by_its_starts(remote: RemoteSettings, own: Config) -> None:
    use(remote, own, change(1, detect__preset="strict"))
    for _ in range(TRIAL_STARTS):
        remote.begin_start()
        assert remote.apply(own).detect.preset == "strict"
    remote.begin_start()
    assert remote.apply(own) == own
    assert "never heard" in remote.state.detail


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"unknown": 1}', b"\xff"])
def test_damaged_file_counts_as_empty(remote: RemoteSettings, own: Config, content: bytes) -> None:
    (own.state_path / FILE).write_bytes(content)
    assert remote.apply(own) == own
    remote.begin_start()


def test_change_that_a_new_settings_file_forbids_is_left_out(remote: RemoteSettings, own: Config) -> None:
    use(remote, own, change(1, energy__battery={"gate_percent": 50}))
    stricter = Config.model_validate({"state_dir": own.state_dir, "energy": {"battery": {"coarse_percent": 45}}})
    assert remote.apply(own).energy.battery
    assert remote.apply(stricter).detect == stricter.detect


def test_device_commands_use_the_changed_settings(remote: RemoteSettings, own: Config, tmp_path: Path) -> None:
    use(remote, own, change(1, detect__preset="strict"))
    (tmp_path / "anura.yaml").write_text(f"schema: 1\nstate_dir: {tmp_path}\n")
    assert load_device(tmp_path / "anura.yaml", {}).detect.preset == "strict"
