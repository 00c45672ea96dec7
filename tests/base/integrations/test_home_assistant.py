"""What Home Assistant receives from a real broker."""

import json
import threading
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import delete
from support import eventually

from anura_base.config.settings import MqttSettings
from anura_base.db.engine import open_database
from anura_base.db.schema import devices
from anura_base.ingest.batch import ingest
from anura_base.ingest.ingest_queue import IngestQueue
from anura_base.ingest.messages import RawMessage
from anura_base.ingest.subscriber import Subscriber
from anura_base.integrations.home_assistant import HomeAssistant, discovery, expire_after_s, last_call_topic
from anura_edge.wire import Status, batch, topic
from anura_edge.wire.mqtt import make_client


@pytest.fixture
def subscribe(broker):  # noqa: ANN001, ANN201
    """Return a function that subscribes a new client; it returns payload and retain flag by topic, as they arrive."""
    clients = []

    def new() -> dict[str, tuple[dict[str, object], bool]]:
        received: dict[str, tuple[dict[str, object], bool]] = {}
        client = make_client()
        subscribed = threading.Event()
        client.on_message = lambda _c, _d, m: received.__setitem__(m.topic, (json.loads(m.payload or b"{}"), m.retain))
        client.on_subscribe = lambda *_: subscribed.set()
        client.connect("127.0.0.1", broker.port)
        client.subscribe([("homeassistant/#", 1), ("anura/v1/+/+/last_call", 1)])
        client.loop_start()
        clients.append(client)
        assert subscribed.wait(60)
        return received

    yield new
    for client in clients:
        client.disconnect()
        client.loop_stop()


def test_entities_are_retained_and_last_call_is_not(broker, subscribe, make, tmp_path) -> None:  # noqa: ANN001
    engine = open_database(f"sqlite:///{tmp_path / 'base.db'}")
    subscriber = Subscriber(MqttSettings(port=broker.port), IngestQueue())
    subscriber.start()
    eventually(lambda: subscriber.connected)
    journal = uuid4()

    def send(kind: str, payload: bytes) -> None:
        with engine.begin() as connection:
            ingest(connection, [RawMessage(topic("pond", "one", kind), payload, False, datetime.now(UTC))])

    send("event", batch(journal, 1, [make.event(1)]))
    publisher = HomeAssistant(engine, "homeassistant", subscriber)
    publisher.publish_news()
    received = subscribe()
    send("event", batch(journal, 1, [make.event(2), make.event(3, scientific_name="Hyla arborea")]))
    publisher.publish_news()
    call = eventually(lambda: received.get("anura/v1/pond/one/last_call"))
    assert (call[0]["scientific_name"], call[1]) == ("Hyla arborea", False)
    entities = {name for name, (_, retained) in received.items() if name.startswith("homeassistant/") and retained}
    assert entities == dict(discovery("homeassistant", "pond", "one")).keys()
    assert not any("last_call" in name for name in subscribe() if name.startswith("anura/"))
    with engine.begin() as connection:
        connection.execute(delete(devices))
    publisher.publish_news()
    assert not [name for name in subscribe() if name.startswith("homeassistant/")]
    subscriber.stop()
    engine.dispose()


def test_every_entity_expires_and_none_is_online_by_a_retained_status_alone(make) -> None:  # noqa: ANN001
    for every_s, expected_s in ((60, 600), (3_600, 3 * 3_600)):
        entities = [
            config
            for _, config in discovery("homeassistant", "pond", "one", expire_after_s(make.health(every_s=every_s)))
        ]
        assert {entity["expire_after"] for entity in entities} == {expected_s, 24 * 3_600}
        assert not any(entity["state_topic"] == topic("pond", "one", "status") for entity in entities)


def test_entity_templates_read_the_messages_of_devices(make) -> None:  # noqa: ANN001
    jinja2 = pytest.importorskip("jinja2")
    payloads = {
        topic("pond", "one", "status"): Status(state="online").to_bytes(),
        topic("pond", "one", "health"): make.health(disk_free_bytes=1_550_000_000, temperature_c=50.5).to_bytes(),
        last_call_topic("pond", "one"): b'{"scientific_name": "Hyla arborea"}',
    }
    values = {}
    for name, config in discovery("homeassistant", "pond", "one"):
        template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(config["value_template"])
        values[name.split("_")[-2] + name.split("_")[-1]] = template.render(
            value_json=json.loads(payloads[config["state_topic"]])
        )
    assert set(values.values()) == {"online", "1234", "1.6", "50.5", "None", "none", "Hyla arborea"}


@pytest.mark.parametrize("name", ["scientific_name", "label", "problems"])
def test_state_of_an_entity_has_at_most_255_characters(make, name: str) -> None:  # noqa: ANN001
    """Home Assistant refuses longer states."""
    jinja2 = pytest.importorskip("jinja2")
    long = [json.loads(make.health(problems=("ä" * 500,) * 16).to_bytes())]
    long.append({"scientific_name": "a" * 512 if name == "scientific_name" else "", "label": "PHYCUV"})
    states = [
        jinja2.Environment(undefined=jinja2.ChainableUndefined)
        .from_string(config["value_template"])
        .render(value_json=payload)
        for _, config in discovery("homeassistant", "pond", "one")
        for payload in long
        if "value_json.problems" in config["value_template"] or "scientific_name" in config["value_template"]
    ]
    assert max(map(len, states)) == 255
    if name == "label":
        assert "PHYCUV" in states, "a label without a scientific name is shown"


def test_unique_ids_differ_for_names_with_underscores() -> None:
    one, other = (dict(discovery("homeassistant", *names)) for names in (("a_b", "c"), ("a", "b_c")))
    assert not one.keys() & other.keys()
    ids = [entity["unique_id"] for found in (one, other) for entity in found.values()]
    assert len(ids) == len(set(ids))
