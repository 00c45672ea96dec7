"""The access rules of the how-to at a real broker: what a device may write, and what it may not."""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.reasoncodes import ReasonCode
from support import DEADLINE_S, Broker, free_port, need

from anura_edge.wire.mqtt import make_client

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "connect-a-base-station.md"
BLOCKS = re.findall(r"^```(?:conf|text)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
ONE_SITE = next(block for block in BLOCKS if "anura/v1/pond/%u/event" in block)
SEVERAL_SITES = next(block for block in BLOCKS if "anura/v1/%u/event" in block)
BASE = ONE_SITE[ONE_SITE.index("user base") :]
DEVICE_KINDS = ("event", "effort", "notice", "status", "health", "clip")
BASE_KINDS = ("ack", "cmd")

Publish = Callable[[str, str], bool]
"""Publish a message as a user; return whether the broker allowed it."""


@pytest.fixture(params=["one site", "several sites"])
def rules(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The rules, and the user name of the device `one` of the site `pond`."""
    return (ONE_SITE, "one") if request.param == "one site" else (f"{SEVERAL_SITES}\n{BASE}", "pond/one")


@pytest.fixture
def publish(tmp_path: Path, rules: tuple[str, str]) -> Iterator[Publish]:
    passwd = need("mosquitto_passwd")
    (tmp_path / "acl").write_text(rules[0])
    (tmp_path / "passwords").touch(mode=0o600)
    for user in (rules[1], "base"):
        subprocess.run([passwd, "-b", str(tmp_path / "passwords"), user, "pw"], check=True, capture_output=True)
    files = f"password_file {tmp_path}/passwords\nacl_file {tmp_path}/acl\n"
    broker = Broker(tmp_path, free_port(), settings=f"allow_anonymous false\n{files}")
    broker.start()
    clients: dict[str, Client] = {}
    answers: list[bool] = []
    answered = threading.Event()

    def on_publish(_client: Client, _data: object, _mid: int, reason: ReasonCode, _properties: object) -> None:
        answers.append(not reason.is_failure)
        answered.set()

    def try_to_publish(user: str, topic: str) -> bool:
        if user not in clients:
            clients[user] = client = make_client(f"client-{len(clients)}")
            client.username_pw_set(user, "pw")
            client.on_publish = on_publish
            client.connect("127.0.0.1", broker.port)
            client.loop_start()
        answered.clear()
        clients[user].publish(topic, b"{}", qos=1)
        assert answered.wait(DEADLINE_S)
        return answers[-1]

    yield try_to_publish
    for client in clients.values():
        client.disconnect()
        client.loop_stop()
    broker.stop()


def test_device_writes_its_own_topics_and_nothing_else(publish: Publish, rules: tuple[str, str]) -> None:
    user = rules[1]
    for kind in DEVICE_KINDS:
        assert publish(user, f"anura/v1/pond/one/{kind}")
        assert not publish(user, f"anura/v1/pond/two/{kind}")
        assert not publish(user, f"anura/v1/lake/one/{kind}"), "a device must not name another site"
    for kind in BASE_KINDS:
        assert not publish(user, f"anura/v1/pond/one/{kind}"), "a device must not acknowledge its own rows"


def test_only_the_base_station_writes_acknowledgements(publish: Publish) -> None:
    for kind in BASE_KINDS:
        assert publish("base", f"anura/v1/lake/two/{kind}")
    assert not publish("base", "anura/v1/lake/two/event")
