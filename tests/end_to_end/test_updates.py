"""A model and settings go from the base station to a device that runs, and a bad model leaves the old one running."""

import shutil
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keys import write_keys
from sqlalchemy import Engine, create_engine, select
from support import DEADLINE_S, eventually
from tiny_models import make_stream_model, pack_bundle, write_bundle

from anura_base.db.engine import ack_secret, open_database, write_transaction
from anura_base.db.incidents import latest_incidents
from anura_base.db.schema import devices, identity
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_base.updates import orders
from anura_base.updates.packages import add_package
from anura_base.updates.tables import rollout_devices, rollouts, setting_changes
from anura_edge import wire
from anura_edge.config.device import Config
from anura_edge.config.remote_settings import RemoteSettings
from anura_edge.delivery.events import CommandReceived, PubackReceived
from anura_edge.delivery.model_download import ModelDownloader
from anura_edge.delivery.updates import SettingsReceiver, UpdateReceiver
from anura_edge.errors import ConfigError, ModelError
from anura_edge.inference.bundle import GOLDEN_SCORES, MANIFEST, MODEL
from anura_edge.inference.signature import sign
from anura_edge.updates.install import install_file
from anura_edge.updates.slots import ModelSlots

BIN = Path(sys.executable).parent
NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
PART_BYTES = wire.MAX_PART_BYTES

MakePackage = Callable[..., Path]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Path, Path]) -> MakePackage:
    """Return a function that packs a signed bundle of a version."""

    def make(version: str, slow_nodes: int = 0, files: dict[str, bytes] | None = None, key: Path | None = None) -> Path:
        model = make_stream_model(slow_nodes)
        folder = write_bundle(tmp_path_factory.mktemp("made") / "tones", model, files, version=version)
        sign(folder, (folder / MANIFEST).read_bytes(), key or keys[0])
        return pack_bundle(folder, folder.with_name(f"{version}.zip"))

    return make


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, package: MakePackage, keys: tuple[Path, Path]) -> ModelSlots:
    slots = ModelSlots(tmp_path_factory.mktemp("installed") / "models")
    install_file(package("1.0.0"), slots, keys[1], allow_slower=True)
    slots.confirm()
    return slots


@dataclass
class FieldDevice:
    """A device's receiver of updates. Its messages go to the database of the base station, without a broker."""

    engine: Engine
    folder: Path
    public_key: Path | None
    name: str = "one"
    key: bytes | None = None
    restarts: list[str] = field(default_factory=list)
    sent: deque[tuple[str, bytes]] = field(default_factory=deque)
    lost_parts: int = 0
    """Parts that are still lost on the way."""

    def __post_init__(self) -> None:
        values = {"state_dir": self.folder, "device": {"site": "pond", "name": self.name}}
        model = {"public_key_file": self.public_key} if self.public_key else {}
        self.config = Config.model_validate({**values, "model": model, "mqtt": {"host": "localhost"}})
        with self.engine.connect() as connection:
            self.key = wire.device_key(ack_secret(connection), self.name)
        self.slots = ModelSlots(self.config.models_path)
        self.remote = RemoteSettings(self.folder)
        self.start()

    def start(self) -> None:
        """Start the program: it connects and says that it is online."""
        self.remote.begin_start()
        self.models = ModelDownloader(self.slots, self.config.model, lambda: None, self.restarts.append)
        settings = SettingsReceiver(self.remote, self.config, lambda _: None, self.restarts.append)
        self.receiver = UpdateReceiver(self.models, settings, self.config.device, self.key)
        connection: Any = self
        self.receiver.begin(connection)
        self._ingest("status", wire.Status(state="online", model_id="tones").to_bytes())

    def publish(self, topic: str, payload: bytes) -> int:
        """Stand for the connection to the broker."""
        self.sent.append((topic, payload))
        return 1

    def obey(self, topic: str, payload: bytes) -> None:
        assert topic == f"anura/v1/pond/{self.name}/cmd"
        command = wire.parse_command(payload)
        if isinstance(command, wire.ModelPart) and self.lost_parts:
            self.lost_parts -= 1
            return
        self.receiver.handle(CommandReceived(command))

    def exchange(self) -> None:
        """Send the orders that are due, and pass messages on until both sides are silent."""
        with self.engine.connect() as connection:
            for order in orders.open_orders(connection):
                if order.device == self.config.device.owner:
                    self.obey(*order.message)
        while True:
            if installation := self.models._installation:
                installation.exception()  # wait
            self.receiver.send()
            if not self.sent:
                return
            topic, payload = self.sent.popleft()
            for answer in self._ingest(topic.rpartition("/")[2], payload):
                self.obey(*answer)
            self.receiver.handle(PubackReceived(1, accepted=True, reason="", blames_row=False))

    def _ingest(self, kind: str, payload: bytes) -> list[tuple[str, bytes]]:
        with write_transaction(self.engine) as connection:
            message = RawMessage(f"anura/v1/pond/{self.name}/{kind}", payload, False, NOW)
            return ingest(connection, [message])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'base.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def new_device(
    engine: Engine, tmp_path: Path, installed: ModelSlots, keys: tuple[Path, Path]
) -> Iterator[Callable[..., FieldDevice]]:
    """Make devices that use version 1.0.0."""
    made: list[FieldDevice] = []

    def make(name: str = "one", **options: Any) -> FieldDevice:
        folder = tmp_path / name
        shutil.copytree(installed.folder, folder / "models")
        made.append(FieldDevice(engine, folder, **{"public_key": keys[1], "name": name, **options}))
        return made[-1]

    yield make
    for device in made:
        device.models.close()


def roll_out(engine: Engine, file: Path, *names: str, first: int = 1) -> int:
    with write_transaction(engine) as connection:
        package = add_package(connection, file, None, NOW)
        targets = [wire.Owner("pond", name) for name in names]
        return orders.begin_rollout(connection, package, targets, first, 24, NOW)


def states(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        newest = select(rollouts.c.number).order_by(rollouts.c.number.desc()).limit(1).scalar_subquery()
        query = select(rollout_devices.c.device, rollout_devices.c.state).where(rollout_devices.c.number == newest)
        return {row.device: row.state for row in connection.execute(query)}


def rollout_state(engine: Engine) -> tuple[str, str]:
    with engine.connect() as connection:
        row = connection.execute(select(rollouts).order_by(rollouts.c.number.desc())).first()
        assert row
        return row.state, row.detail


def roll_out_number(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalars(select(rollouts.c.number)).one()


def npy(scores: "np.ndarray[Any, Any]") -> bytes:
    file = BytesIO()
    np.save(file, scores)
    return file.getvalue()


def test_model_reaches_the_first_device_then_the_others(
    engine: Engine, new_device: Callable[..., FieldDevice], package: MakePackage
) -> None:
    one, two = new_device("one"), new_device("two")
    roll_out(engine, package("2.0.0"), "one", "two")
    for device in (one, two):
        device.exchange()
    assert states(engine) == {"one": "trial", "two": "waiting"}
    assert len(one.restarts) == 1, "the program starts again to use it"
    one.slots.confirm()
    one.exchange()
    assert states(engine) == {"one": "kept", "two": "waiting"}
    with write_transaction(engine) as connection:
        orders.advance_rollouts(connection, NOW + timedelta(hours=25))
    assert states(engine) == {"one": "kept", "two": "sent"}
    two.slots.accept_offer(roll_out_number(engine))  # as if it had installed it
    two.exchange()
    assert states(engine) == {"one": "kept", "two": "kept"}
    assert rollout_state(engine) == ("done", "")
    assert one.slots.state.current == "tones-2.0.0"


def test_large_model_continues_where_it_ended_after_lost_parts_and_restarts(
    engine: Engine, new_device: Callable[..., FieldDevice], package: MakePackage
) -> None:
    one = new_device("one")
    noise = np.random.default_rng(1).bytes(5 * PART_BYTES)
    file = package("2.0.0", files={"MODEL_CARD.md": noise})
    parts = -(-file.stat().st_size // PART_BYTES)
    assert parts > 5
    roll_out(engine, file, "one")
    received: list[int] = []
    original = one.models.part

    def part(part: wire.ModelPart) -> None:
        received.append(part.offset)
        original(part)
        if len(received) == 3:  # the power fails
            one.lost_parts = 1

    one.models.part = part  # type: ignore[method-assign]
    one.exchange()
    assert one.slots.state.current == "tones-1.0.0"
    one.start()
    one.exchange()
    assert one.slots.state.current == "tones-2.0.0"
    assert received == [0, PART_BYTES, 2 * PART_BYTES]
    assert list(one.slots.downloads.iterdir()) == []


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "golden mismatch": ({"files": {GOLDEN_SCORES: npy(np.zeros((3, 2)))}}, "scores of the golden clip differ"),
    "crash on load": ({"files": {MODEL: b"no graph"}}, "self-test failed"),
    "ten times slower": ({"slow_nodes": 10}, "times the processor time of the model in use"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_rollout_leaves_the_old_model_running_and_says_so_at_the_base(
    engine: Engine, new_device: Callable[..., FieldDevice], package: MakePackage, kind: str
) -> None:
    options, message = BAD[kind]
    one, two = new_device("one"), new_device("two")
    roll_out(engine, package("2.0.0", **options), "one", "two")
    for device in (one, two):
        device.exchange()
    assert states(engine) == {"one": "refused", "two": "stopped"}
    state, detail = rollout_state(engine)
    assert state == "halted"
    assert message in detail
    assert [device.slots.state.current for device in (one, two)] == ["tones-1.0.0"] * 2
    assert one.restarts == []
    with engine.connect() as connection:
        (incident,) = latest_incidents(connection, NOW - timedelta(days=1))
    assert (incident.what, incident.device) == ("update", "one")
    assert message in incident.detail


def test_model_that_is_rolled_back_later_halts_the_rollout(
    engine: Engine, new_device: Callable[..., FieldDevice], package: MakePackage
) -> None:
    one, _ = new_device("one"), new_device("two")
    roll_out(engine, package("2.0.0"), "one", "two")
    one.exchange()
    one.slots.roll_back("tones 2.0.0 needs 3.0 s for a second of audio")
    one.start()
    one.exchange()
    assert states(engine) == {"one": "rolled_back", "two": "stopped"}
    assert "needs 3.0 s" in rollout_state(engine)[1]
    assert one.slots.state.current == "tones-1.0.0"


def test_offer_needs_the_mac_of_the_own_base_station(
    engine: Engine, new_device: Callable[..., FieldDevice], package: MakePackage
) -> None:
    one = new_device("one")
    roll_out(engine, package("2.0.0"), "one")
    with engine.connect() as connection:
        ((topic, payload),) = [order.message for order in orders.open_orders(connection)]
    offer = wire.parse_command(payload)
    assert isinstance(offer, wire.ModelOffer)
    for forged in (offer.model_copy(update={"mac": None}), offer.signed(b"other" * 8)):
        one.obey(topic, forged.to_bytes())
        one.receiver.send()
        assert not one.sent
    elsewhere = offer.model_copy(update={"site": "lake"}).signed(one.key or b"")
    one.obey(topic, elsewhere.to_bytes())
    one.receiver.send()
    assert not one.sent, "the order of another device of this name"


def test_device_without_keys_takes_no_model_and_says_why(
    engine: Engine, new_device: Callable[..., FieldDevice], package: MakePackage, tmp_path: Path
) -> None:
    one = new_device("one", public_key=None)
    roll_out(engine, package("2.0.0"), "one")
    one.exchange()
    assert "only signed models" in rollout_state(engine)[1]
    two = new_device("two")
    two.key = None
    two.start()
    roll_out(engine, package("2.0.0"), "two")
    two.exchange()
    assert "no mqtt.ack_key_file" in rollout_state(engine)[1]


def test_model_of_another_owner_is_refused_over_the_air(
    engine: Engine, new_device: Callable[..., FieldDevice], package: MakePackage, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other, _ = write_keys(tmp_path / "other")
    one = new_device("one")
    roll_out(engine, package("2.0.0", key=other), "one")
    one.exchange()
    assert "not signed with the key" in rollout_state(engine)[1]
    assert one.slots.state.current == "tones-1.0.0"


def test_old_offer_cannot_be_repeated(
    engine: Engine, new_device: Callable[..., FieldDevice], package: MakePackage
) -> None:
    one = new_device("one")
    roll_out(engine, package("2.0.0"), "one")
    with engine.connect() as connection:
        (old,) = [order.message for order in orders.open_orders(connection)]
    roll_out(engine, package("2.0.1", files={MODEL: b"no graph"}), "one")
    one.exchange()
    assert states(engine) == {"one": "refused"}
    one.obey(*old)
    one.receiver.send()
    assert not one.sent


def test_bytes_that_were_changed_on_the_way_are_refused(
    engine: Engine, new_device: Callable[..., FieldDevice], package: MakePackage
) -> None:
    one = new_device("one")
    original = one.models.part
    one.models.part = lambda part: original(part.model_copy(update={"data": part.data[:-1] + b"!"}))  # type: ignore[method-assign]
    roll_out(engine, package("2.0.0"), "one")
    one.exchange()
    assert "hash of the received file" in rollout_state(engine)[1]


def test_base_station_stores_only_signed_bundles(engine: Engine, package: MakePackage, tmp_path: Path) -> None:
    unsigned = pack_bundle(write_bundle(tmp_path / "tones", make_stream_model()), tmp_path / "unsigned.zip")
    (tmp_path / "text.zip").write_text("no zip file")
    for file, error, message in (
        (unsigned, ModelError, "not signed"),
        (tmp_path / "text.zip", ModelError, "not a zip file"),
        (tmp_path / "none.zip", ConfigError, "cannot read"),
    ):
        with write_transaction(engine) as connection, pytest.raises(error, match=message):
            add_package(connection, file, None, NOW)


# Settings


def change(engine: Engine, values: dict[str, Any], confirm_s: float = 600, name: str = "one") -> None:
    with write_transaction(engine) as connection:
        orders.change_settings(connection, wire.Owner("pond", name), values, [], confirm_s, NOW)


def setting_states(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        query = select(setting_changes.c.state, setting_changes.c.detail).order_by(setting_changes.c.number)
        return [(row.state, row.detail) for row in connection.execute(query)]


def test_settings_are_on_trial_after_a_restart_and_kept_when_the_base_station_answers(
    engine: Engine, new_device: Callable[..., FieldDevice]
) -> None:
    one = new_device("one")
    change(engine, {"detect.preset": "strict"})
    one.exchange()
    assert setting_states(engine) == [("sent", "")], "nothing is known before the restart"
    assert len(one.restarts) == 1
    one.exchange()
    assert one.remote.state.state == "trial"
    one.start()
    one.exchange()
    assert setting_states(engine) == [("kept", "")]
    assert one.remote.apply(one.config).detect.preset == "strict"


def test_settings_are_rolled_back_without_the_base_station_and_it_is_told(
    engine: Engine, new_device: Callable[..., FieldDevice]
) -> None:
    one = new_device("one")
    change(engine, {"mqtt.host": "no-such-host.invalid"})
    one.exchange()
    one.remote.begin_start()  # it starts, and no connection comes about
    one.remote.roll_back("the base station did not hear from this device within 600 s")
    one.start()
    one.exchange()
    ((state, detail),) = setting_states(engine)
    assert state == "rolled_back"
    assert "did not hear" in detail
    with engine.connect() as connection:
        (incident,) = latest_incidents(connection, NOW - timedelta(days=1))
    assert "keeps the former ones" in incident.detail


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"detect.preset": "best"}, "preset"),
        ({"clips.upload": "best"}, "cannot be changed from the base station"),
        ({"detect.colour": 1}, "unknown key"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_the_reason(
    engine: Engine, new_device: Callable[..., FieldDevice], values: dict[str, Any], message: str
) -> None:
    one = new_device("one")
    change(engine, values)
    one.exchange()
    ((state, detail),) = setting_states(engine)
    assert state == "refused"
    assert message in detail
    assert one.restarts == []
    assert one.remote.apply(one.config) == one.config


def test_settings_need_the_mac_of_the_own_base_station(engine: Engine, new_device: Callable[..., FieldDevice]) -> None:
    one = new_device("one")
    forged = wire.SettingsChange(site="pond", device="one", number=9, values={"mqtt.host": "evil"}, confirm_s=600)
    for each in (forged, forged.signed(b"other" * 8)):
        one.obey("anura/v1/pond/one/cmd", each.to_bytes())
    one.receiver.send()
    assert not one.sent
    assert one.remote.state.number == 0


def test_old_change_of_settings_cannot_be_repeated(engine: Engine, new_device: Callable[..., FieldDevice]) -> None:
    one = new_device("one")
    change(engine, {"detect.preset": "strict"})
    with engine.connect() as connection:
        (old,) = [order.message for order in orders.open_orders(connection)]
    one.exchange()
    one.start()
    one.exchange()
    change(engine, {"detect.preset": "sensitive"})
    one.exchange()
    one.obey(*old)
    assert one.remote.apply(one.config).detect.preset == "sensitive"


def model_of(engine: Engine) -> str | None:
    """Return the version of the model of the only device, as it has reported it."""
    with engine.connect() as connection:
        return connection.scalar(select(devices.c.model_version))


def test_running_device_takes_settings_and_a_model_and_starts_again_with_each(
    tmp_path: Path,
    package: MakePackage,
    installed: ModelSlots,
    keys: tuple[Path, Path],
    start_device: Callable[..., Any],
    start_base: Callable[[], Any],
    mqtt_settings: dict[str, str],
) -> None:
    shutil.copytree(installed.folder, tmp_path / "device" / "models")
    (tmp_path / "card").mkdir()
    start_base()
    database = f"sqlite:///{tmp_path / 'base.db'}"
    engine = create_engine(database)
    with engine.connect() as connection:
        key = wire.device_key(bytes.fromhex(connection.scalars(select(identity.c.ack_secret)).one()), "one")
    (tmp_path / "ack-key").write_text(key.hex())
    settings = {**mqtt_settings, "MQTT__ACK_KEY_FILE": str(tmp_path / "ack-key")}
    settings |= {"MODEL__PUBLIC_KEY_FILE": str(keys[1])}
    settings.pop("MODEL__BUNDLE", None)  # an installed one is used

    def start() -> Any:
        """Start the device as systemd does, which starts it again whenever it ends."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            path = str(tmp_path / f"{time.monotonic_ns()}.notify")
            manager.bind(path)
            manager.settimeout(2 * DEADLINE_S)
            device = start_device(
                "--source", f"folder:{tmp_path / 'card'}", "--watch", environment={"NOTIFY_SOCKET": path}, **settings
            )
            manager.recv(100)
        return device

    def state_of(table: Any) -> str | None:
        with engine.connect() as connection:
            return connection.scalar(select(table.c.state).order_by(table.c.number.desc()).limit(1))

    def base(*arguments: str) -> None:
        subprocess.run([BIN / "anura-base", *arguments, "--database", database], check=True, capture_output=True)

    device = start()
    eventually(lambda: model_of(engine) == "1.0.0")
    base("setting", "change", "pond/one", "clips.max_s=5")
    assert device.process.wait(DEADLINE_S) == 0
    device = start()
    eventually(lambda: state_of(setting_changes) == "kept")
    base("model", "add", str(package("2.0.0")))
    base("model", "rollout", "tones-2.0.0")
    assert device.process.wait(DEADLINE_S) == 0
    start()
    eventually(lambda: model_of(engine) == "2.0.0")
    assert state_of(rollout_devices) == "trial"
    engine.dispose()
