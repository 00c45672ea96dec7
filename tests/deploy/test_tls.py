"""The secured broker of the how-to, with the settings of the page."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from support import Broker, free_port, need

from anura_edge.demo.card import write_card

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SCAN = """
from anura_edge.app import device
from anura_edge.cli.main import main
device.DELIVERY_TIMEOUT_S = 5.0  # the refused device waits for its acknowledgements in vain
main()
"""
PAGE = ROOT / "docs" / "how-to" / "connect-a-base-station.md"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A certificate authority and the certificate of the broker."""
    openssl = need("openssl")
    folder = tmp_path / "certificates"
    folder.mkdir()

    def run(arguments: str) -> None:
        subprocess.run([openssl, *arguments.split()], cwd=folder, check=True, capture_output=True)

    run("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt")
    run("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout base.key -out base.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    run("x509 -req -in base.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out base.crt")
    return folder


def test_device_can_publish_only_below_its_own_topic(tmp_path: Path, certificates: Path) -> None:
    """Run the settings of the page, with a device that uses its own name and with one that uses another name."""
    passwd = need("mosquitto_passwd")
    settings, rules = re.findall(r"^```conf\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for user in ("one", "base"):
        subprocess.run([passwd, *(() if (tmp_path / "passwords").exists() else ("-c",)), "-b", "passwords", user, "pw"],
                       cwd=tmp_path, check=True, capture_output=True)  # fmt: skip
    (tmp_path / "acl").write_text(rules)
    (tmp_path / "pw").write_text("pw\n")
    with_paths = re.sub(r"/etc/mosquitto/(\S+\.(?:crt|key))", rf"{certificates}/\1", settings)
    with_paths = with_paths.replace("/etc/mosquitto", str(tmp_path))
    listener, _, rest = with_paths.partition("\n")
    broker = Broker(tmp_path, free_port(), settings=rest)
    assert listener == "listener 8883"
    with ExitStack() as stack:
        broker.start()
        stack.callback(broker.stop)
        _start_base(stack, _base_settings(tmp_path, certificates, broker.port))
        data = write_card(tmp_path)
        for recording in sorted(data.iterdir())[1:]:  # one recording is enough
            recording.unlink()
        with ThreadPoolExecutor() as pool:
            own, foreign = pool.map(lambda name: _scan(tmp_path, certificates, broker.port, data, name), ["one", "two"])
    assert "no rows wait" in own.stdout, own.stdout + own.stderr
    assert "rows wait in the journal" in foreign.stdout
    assert "Not authorized" in foreign.stderr


def _start_base(stack: ExitStack, settings: Path) -> None:
    command = [BIN / "anura-base", "run", "--config", settings]
    base = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(base.terminate)
    assert base.stdout
    assert "http://" in base.stdout.readline()


def _scan(folder: Path, certificates: Path, port: int, data: Path, device: str) -> "subprocess.CompletedProcess[str]":
    file = folder / f"{device}.yaml"
    mqtt = {"host": "localhost", "port": port, "username": "one", "password_file": f"{folder}/pw"}
    mqtt["ca_file"] = f"{certificates}/ca.crt"
    settings = {"device": {"site": "pond", "name": device}, "state_dir": f"{folder}/{device}", "mqtt": mqtt}
    file.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-c", SCAN, "run", "--source", f"folder:{data}", "--config", file]
    return subprocess.run(command, capture_output=True, text=True)


def _base_settings(folder: Path, certificates: Path, port: int) -> Path:
    file = folder / "base.yaml"
    mqtt = {"host": "localhost", "port": port, "username": "base", "password_file": f"{folder}/pw"}
    mqtt["ca_file"] = f"{certificates}/ca.crt"
    file.write_text(yaml.safe_dump({"state_dir": str(folder), "mqtt": mqtt, "web": {"port": 0}}))
    return file
