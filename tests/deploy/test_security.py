"""The threat model: each thing that an attacker cannot do has a test, and that test exists."""

import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_each_cannot_of_the_threat_model_names_a_test_that_exists() -> None:
    files = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    existing = {name for text in files for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    rows = re.findall(r"^\| (?!cannot |---)(.+?) \| (.+) \|$", PAGE, re.MULTILINE)
    assert len(rows) > 20
    for cannot, tests in rows:
        named = set(re.findall(r"`(test_\w+)`", tests))
        assert named, cannot
        assert not named - existing, cannot


def test_card_is_mounted_without_programs_and_read_only() -> None:
    unit = (ROOT / "deploy" / "device" / "media-card.mount").read_text(encoding="utf-8")
    options = re.search(r"^Options=(.+)$", unit, re.MULTILINE)
    assert options
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(options[1].split(","))


def test_first_start_installs_joins_and_deletes_the_join_file(tmp_path: Path) -> None:
    """Run the file of the first start with the programs of a box, which write down how they are called."""
    boot, programs = tmp_path / "boot", tmp_path / "programs"
    boot.mkdir()
    programs.mkdir()
    for name in ("apt-get", "anura-edge"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n')
        (programs / name).chmod(0o755)
    script = (ROOT / "deploy" / "device" / "firstrun.sh").read_text(encoding="utf-8")
    script = script.replace("/opt/anura/bin", str(programs)).replace("/etc/machine-id", str(tmp_path / "machine-id"))
    (boot / "firstrun.sh").write_text(script)
    (boot / "cmdline.txt").write_text(
        "root=x systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot\n"
    )
    command = ["sh", boot / "firstrun.sh", boot]
    environment = {"PATH": f"{programs}:/usr/bin:/bin"}
    assert subprocess.run(command, env=environment, capture_output=True).returncode == 1, "there is no package"
    (boot / "anura-edge_1_arm64.deb").touch()
    (boot / "pond-one.join").touch()
    for _ in range(2):  # after a power cut it runs again
        subprocess.run(command, env=environment, check=True)
    calls = (tmp_path / "calls").read_text()
    assert calls.count("apt-get install") == 2
    assert calls.count(f"anura-edge join {boot}/pond-one.join") == 1
    assert sorted(path.name for path in boot.iterdir()) == ["anura-edge_1_arm64.deb", "cmdline.txt", "firstrun.sh"]
    assert (boot / "cmdline.txt").read_text() == "root=x\n"
    assert (tmp_path / "machine-id").read_text() == ""


def test_cloud_init_runs_the_first_start() -> None:
    text = (ROOT / "deploy" / "device" / "cloud-init.yaml").read_text(encoding="utf-8")
    assert text.startswith("#cloud-config\n")
    assert yaml.safe_load(text)["runcmd"] == [["sh", "/boot/firmware/firstrun.sh", "/boot/firmware"]]
