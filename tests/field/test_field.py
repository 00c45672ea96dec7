"""From two empty Debian roots to an alert: install, provision, join, insert a card. `make field` runs it.

The commands are those of docs/how-to/unattended-operation.md. There is no systemd in the roots, so the test starts what
the units start, as an own user with the groups of the unit. The two machines share a network of their own, which has no
way out: so this also shows that installing from wheels, joining and analysing need no network.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import eventually, need

from anura_edge.demo.card import write_card

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "field"
SERVICE_UID = "61234"
"""Of the range from which systemd takes the users of `DynamicUser=yes`."""

pytestmark = [
    pytest.mark.skipif(not os.environ.get("ANURA_FIELD"), reason="it takes minutes and a network; run `make field`"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a Debian root"),
    pytest.mark.timeout(1800),
]


class Machine:
    """A Debian root in which commands run, in the network namespace of the test."""

    def __init__(self, root: Path, network: str) -> None:
        self.root, self._network = root, network

    def run(self, command: str, *, online: bool = False) -> str:
        """Run a command as root, and return its output."""
        inside = [*([] if online else self._in_network), "chroot", str(self.root), "bash", "-c", command]
        environment = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(inside, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def start(self, unit: str) -> "subprocess.Popen[bytes]":
        """Start what a unit starts, with its environment and groups, in its state folder."""
        folder = self.root / "etc/systemd/system"
        drop_ins = sorted(folder.glob(f"{unit}.service.d/*.conf"))
        text = "\n".join(path.read_text() for path in (folder / f"{unit}.service", *drop_ins))
        state = f"/var/lib/{unit}"
        self.run(f"install -d -m 0750 -o {SERVICE_UID} -g {SERVICE_UID} {state}; chown -R {SERVICE_UID} {state}")
        groups = " ".join(re.findall(r"^SupplementaryGroups=(.+)$", text, re.MULTILINE)).split()
        command = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)[-1]
        environment = dict(re.findall(r"^Environment=(\w+)=(.+)$", text.replace("%S", "/var/lib"), re.MULTILINE))
        ids = [self.run(f"getent group {group} | cut -d: -f3").strip() for group in groups]
        become = ["setpriv", f"--reuid={SERVICE_UID}", f"--regid={SERVICE_UID}", f"--groups={','.join(ids)}"]
        inside = ["chroot", str(self.root), *become, *shlex.split(command)]
        return subprocess.Popen(
            [*self._in_network, *inside], env={**environment, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        )

    @property
    def _in_network(self) -> list[str]:
        return ["ip", "netns", "exec", self._network]


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    name = f"anura-field-{os.getpid()}"
    subprocess.run([need("ip"), "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture(scope="module")
def machine(network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Sequence[str]], Machine]]:
    """Return a new empty Debian root with some Debian packages."""
    with ExitStack() as stack:

        def make(packages: Sequence[str]) -> Machine:
            root = tmp_path_factory.mktemp("root") / "debian"
            subprocess.run(["cp", "-a", _empty_debian(), root], check=True)
            stack.callback(shutil.rmtree, root)
            # Its own /proc, and never the /dev of this machine: a root is deleted at the end.
            subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
            stack.callback(subprocess.run, ["umount", "--lazy", root / "proc"], check=True)
            shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
            (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
            made = Machine(root, network)
            made.run("install -d -m 1777 /dev/shm")
            made.run(f"apt-get -qq update && apt-get -qq install -y --no-install-recommends {shlex.join(packages)}",
                     online=True)  # fmt: skip
            return made

        yield make


def _empty_debian() -> Path:
    """Return a Debian root with its required packages, as debootstrap makes it. It is made once."""
    root = BUILD / "debian"
    if not (root / "etc/debian_version").exists():
        unfinished = BUILD / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([need("debootstrap"), "--variant=minbase", "bookworm", unfinished], capture_output=True)
        if done.returncode:
            pytest.skip(f"debootstrap cannot make a Debian root: {done.stdout.decode()[-200:]}")
        unfinished.rename(root)
    return root


@pytest.fixture(scope="module")
def package() -> Path:
    """The Debian package of the device for this machine."""
    arch = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run([ROOT / "deploy/device/build-deb", arch, "3.11", sys.executable], cwd=ROOT, check=True)
    return max((ROOT / "build").glob(f"anura-edge_*_python3.11_{arch}.deb"), key=lambda path: path.stat().st_mtime)


@pytest.fixture(scope="module")
def device(machine: Callable[[Sequence[str]], Machine], package: Path) -> Machine:
    """A machine on which the package of the device is installed, without a network."""
    made = machine(["python3-venv", "libportaudio2"])
    shutil.copy(package, made.root / "tmp/anura-edge.deb")
    made.run("apt-get -qq install -y --no-install-recommends /tmp/anura-edge.deb")
    return made


def test_device_package_is_installed_twice_and_changes_nothing(device: Machine) -> None:
    files = "find /etc/anura /etc/systemd/system -type f | xargs sha256sum | sort"
    before = device.run(files)
    device.run("apt-get -qq install -y --reinstall /tmp/anura-edge.deb")
    assert device.run(files) == before
    assert json.loads(device.run("cd /tmp && anura-edge demo --json").splitlines()[-1])["summary"]["new"] == 6


def test_card_in_a_new_device_causes_an_alert_at_a_new_base_over_tls(
    machine: Callable[[Sequence[str]], Machine], device: Machine, package: Path, tmp_path: Path
) -> None:
    base = machine(["python3-venv", "mosquitto"])
    shutil.copytree(ROOT / "deploy", base.root / "srv/anura/deploy")
    _download_wheels(package, base.root / "srv/anura/wheels")
    with ExitStack() as stack:
        # The base station.
        base.run("cd /srv/anura && deploy/install.sh base --host localhost --wheels wheels")
        base.run("cd /root && anura-base provision pond/one --config /etc/anura/anura-base.yaml")
        settings = base.root / "etc/anura/anura-base.yaml"
        rules = {"first": {"when": "first_call_of_night", "max_age_h": 48}}
        settings.write_text(yaml.safe_dump({**yaml.safe_load(settings.read_text()), "alerts": {"rules": rules}}))
        base.run("install -d -o mosquitto /run/mosquitto")  # as the unit of Debian's package does
        broker = ["ip", "netns", "exec", base._network, "chroot", base.root, "mosquitto", "-c"]
        _start(stack, subprocess.Popen([*broker, "/etc/mosquitto/mosquitto.conf"]))
        _start(stack, base.start("anura-base"))
        # The device.
        device.run("cd /usr/share/anura-edge && deploy/install.sh device --card --wheels wheels")
        shutil.move(base.root / "root/pond-one.join", device.root / "root/pond-one.join")
        printed = device.run("anura-edge join /root/pond-one.join")
        password = (device.root / "etc/anura/credentials/password").read_text().strip()
        assert password not in printed
        # The card.
        card, mounted = write_card(tmp_path), device.root / "media/card"
        yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y%m%d")
        for recording in card.iterdir():  # an alert is about calls of the last two days
            recording.rename(card / recording.name.replace("20250412", yesterday))
        # As dmask and fmask of the mount unit do on a recorder's card.
        for path in (card.parent, card, *card.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)
        options = re.search(r"^Options=([\w,]+),fmask", (ROOT / "deploy/device/media-card.mount").read_text(), re.M)
        assert options
        subprocess.run(["mount", "--bind", card.parent, mounted], check=True)
        stack.callback(subprocess.run, ["umount", "--lazy", mounted], check=True)
        subprocess.run(["mount", "-o", f"remount,bind,{options[1]}", mounted], check=True)
        _start(stack, device.start("anura-edge"))
        alerts = eventually(lambda: _ask(base, "alerts"), deadline_s=300)
        assert {alert["site"] for alert in alerts} == {"pond"}


def _ask(base: Machine, name: str) -> list[dict[str, Any]]:
    """Return an answer of the base station's API, or an empty list while the base station starts."""
    program = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/api/{name}').read().decode())"
    return list(json.loads(base.run(f'python3 -c "{program}" 2>/dev/null || echo []')))


def test_device_package_is_removed_and_its_settings_stay(device: Machine) -> None:
    device.run("apt-get -qq remove -y anura-edge")
    files = "systemd/system/anura-edge.service", "systemd/system/media-card.mount", "udev/rules.d/70-anura-card.rules"
    gone = " ".join(["/opt/anura", *(f"/etc/{name}" for name in files)])
    assert device.run(f"ls -d {gone} 2>&1 || true").count("No such file") == 4
    assert {"anura.yaml", "credentials"} <= set(device.run("ls /etc/anura").split())


def _start(stack: ExitStack, process: "subprocess.Popen[bytes]") -> None:
    stack.callback(process.wait, 60)
    stack.callback(process.terminate)


def _download_wheels(package: Path, folder: Path) -> None:
    """Write the wheels of the base station: those of the project and, from the index, those that it depends on."""
    made = package.parent / "deb" / "base-wheels"
    shutil.rmtree(made, ignore_errors=True)
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "-q", "--no-cache-dir", "--no-deps", "--wheel-dir", made, ROOT], check=True)
    wheel = next(made.glob("anura_edge-*.whl"))
    constraints = ["--constraint", ROOT / "constraints.txt"]
    subprocess.run([*pip, "download", "-q", *constraints, "--dest", made, f"{wheel}[base]"], check=True)
    shutil.copytree(made, folder)
