"""Settings of alerts: each error names its line."""

from pathlib import Path

import pytest

from anura_base.config.alerts import DeviceHealth, FirstCall
from anura_base.config.settings import Settings, load
from anura_edge.errors import ConfigError

EVERYTHING = """\
alerts:
  mqtt: true
  webhooks:
    team:
      url: https://chat.example/hooks/frogs
      secret_file: /etc/anura/hook
  mail:
    host: mail.example
    port: 465
    security: tls
    username: anura
    password_file: /etc/anura/mail
    sender: anura@pond.example
    recipients: [maria@pond.example, jose@pond.example]
  rules:
    first:
      when: first_call_of_night
      species: [Physalaemus cuvieri]
      min_score: 0.8
      channels: [team]
    waited-for:
      when: listed_species
      species: [Hyla arborea, RANTEM]
      sites: [pond]
    strange:
      when: rare_species
      absent_days: 60
    silent:
      when: device_silent
      after_h: 6
    unwell:
      when: device_health
      disk_below_gb: 2
      backlog_above_rows: 10000
      backlog_above_h: 24
      temperature_above_c: 75
      clock_not_synchronised: true
      any_problem: true
    idle:
      when: effort_low
      below_ratio: 0.6
      baseline_nights: 5
"""


def settings(folder: Path, text: str) -> Settings:
    file = folder / "base.yaml"
    file.write_text(text)
    return load(file, None, None, None)


def test_file_with_every_rule_and_channel_is_read(tmp_path: Path) -> None:
    alerts = settings(tmp_path, EVERYTHING).alerts
    assert list(alerts.rules) == ["first", "waited-for", "strange", "silent", "unwell", "idle"]
    first, unwell = alerts.rules["first"], alerts.rules["unwell"]
    assert isinstance(first, FirstCall)
    assert isinstance(unwell, DeviceHealth)
    assert (first.min_score, unwell.disk_below_gb) == (0.8, 2)
    assert alerts.channels_of("first") == ("team",)
    assert alerts.channels_of("silent") == ("mqtt", "mail", "team")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("after_h: 6", "after_hours: 6", "base.yaml:30: unknown key 'alerts.rules.silent."),
        ("after_h: 6", "after_hours: 6", "did you mean 'after_h'?"),
        ("after_h: 6", "after_h: 0", "base.yaml:30: alerts.rules.silent.after_h"),
        ("when: device_silent", "when: device_quiet", "base.yaml:28: alerts.rules.silent.when: write one of"),
        ("[team]", "[chat]", "rules.first.channels: unknown channel 'chat'; known channels: mqtt, mail, team"),
        ("    team:\n", "    mail:\n", "webhooks.mail: this name is reserved"),
        ("https://chat.example", "file:///etc", "url: not a valid address"),
        ("https://chat.example", "https://me:secret@chat.example", "without a password in it"),
        ("security: tls", "security: none", "security: starttls or tls"),
        ("    password_file: /etc/anura/mail\n", "", "username and password_file go together"),
        ("[maria@pond.example, jose@pond.example]", "[]", "alerts.mail.recipients"),
        ("sender: anura@pond.example", "sender: 'a@b\\nBcc: c@d'", "alerts.mail.sender"),
        ("[Hyla arborea, RANTEM]", "[]", "species"),
        ("    webhooks", "    webhook", "unknown key"),
    ],
)  # fmt: skip
def test_mistake_is_refused_with_remedy(tmp_path: Path, old: str, new: str, message: str) -> None:
    old, new = (old, new) if old in EVERYTHING else (old.strip(), new.strip())
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, EVERYTHING.replace(old, new))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("channels", "to"),
        ("absent_days", "unheard_days"),
        ("below_ratio", "below"),
        ("baseline_nights", "nights"),
    ],
)
def test_old_key_is_refused_with_the_new_one_named(tmp_path: Path, new: str, old: str) -> None:
    with pytest.raises(ConfigError, match=rf"\.{old}' was renamed; write {new}$"):
        settings(tmp_path, EVERYTHING.replace(f"      {new}:", f"      {old}:"))


def test_health_rule_without_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="contains no limit; give one, as in disk_below_gb: 2"):
        settings(tmp_path, "alerts:\n  rules:\n    unwell:\n      when: device_health\n")
