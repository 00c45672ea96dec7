"""Without an answer of the base station, new settings end after their time, and the program starts again."""

from pathlib import Path

from anura_edge.config.device import Config
from anura_edge.config.remote_settings import RemoteSettings
from anura_edge.health.settings_trial import SettingsTrial
from anura_edge.wire import SettingsChange


def test_settings_are_rolled_back_when_contact_is_lost(tmp_path: Path) -> None:
    remote = RemoteSettings(tmp_path)
    change = SettingsChange(site="s", device="d", number=1, values={"detect.preset": "strict"}, confirm_s=60)
    remote.preview(Config(state_dir=tmp_path), change)
    remote.accept(change)
    remote.begin_start()
    now_s, restarts = 0.0, list[str]()
    trial = SettingsTrial(remote, restarts.append, lambda: now_s)
    now_s = 59.0
    trial.check()
    assert (remote.state.state, restarts) == ("trial", [])
    now_s = 60.0
    trial.check()
    trial.check()
    assert (remote.state.state, len(restarts)) == ("rolled_back", 1)
    assert "did not hear from this device within 60 s" in remote.state.detail


def test_settings_that_were_kept_stay(tmp_path: Path) -> None:
    remote = RemoteSettings(tmp_path)
    remote.accept(SettingsChange(site="s", device="d", number=1, values={"detect.preset": "strict"}, confirm_s=60))
    remote.begin_start()
    now_s = 0.0
    trial = SettingsTrial(remote, lambda _: None, lambda: now_s)
    remote.keep(1)
    now_s = 1e9
    trial.check()
    assert remote.state.state == "kept"
