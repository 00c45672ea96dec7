from collections import Counter
from datetime import UTC, datetime

import pytest

from anura_base.ingest.ingest_queue import (
    MAX_COUNTED_DEVICES,
    MAX_DEVICE_BYTES,
    MAX_QUEUE_BYTES,
    OTHERS,
    OVERHEAD_BYTES,
    TURN_BYTES,
    IngestQueue,
)
from anura_base.ingest.messages import RawMessage

NO_LIMIT = 10**9


def message(device: str, payload: bytes = b"x", site: str = "pond") -> RawMessage:
    return RawMessage(f"anura/v1/{site}/{device}/event", payload, False, datetime.now(UTC))


def take(queue: IngestQueue, count: int = 10**6, size_bytes: int = NO_LIMIT) -> list[RawMessage]:
    return queue.take(count, size_bytes, timeout_s=0)


def fill(queue: IngestQueue, device: str, payload: bytes, site: str = "pond") -> list[RawMessage]:
    messages = [message(device, payload, site)]
    while queue.offer(messages[-1]):
        messages.append(message(device, payload, site))
    return messages[:-1]


@pytest.mark.parametrize("payload_bytes", [0, 1_000_000])
def test_device_that_fills_its_share_leaves_room_for_others(payload_bytes: int) -> None:
    queue = IngestQueue()
    flood = fill(queue, "flood", b"x" * payload_bytes)
    assert sum(len(each.payload) for each in flood) <= MAX_DEVICE_BYTES + payload_bytes
    assert queue.offer(message("normal"))
    assert queue.dropped == {"flood": 1}
    assert [each for each in take(queue) if "flood" in each.topic] == flood
    assert take(queue) == []


def test_devices_are_served_in_turn() -> None:
    queue, long = IngestQueue(), b"x" * (TURN_BYTES - 2 * OVERHEAD_BYTES)
    for _ in range(100):
        queue.offer(message("flood", long))
    queue.offer(message("a", long))
    queue.offer(message("b", long))
    assert [each.topic.split("/")[3] for each in take(queue, 5)] == ["flood", "a", "b", "flood", "flood"]


def test_device_with_small_messages_gets_as_many_bytes_as_one_with_large_messages() -> None:
    queue = IngestQueue()
    for _ in range(100):
        queue.offer(message("flood", b"x" * 100_000))
        queue.offer(message("small", b"x" * 1_000))
    taken = take(queue, size_bytes=300_000)
    sizes = Counter[str]()
    for each in taken:
        sizes[each.topic.split("/")[3]] += len(each.payload)
    assert sizes["small"] == 100_000
    assert 200_000 <= sizes["flood"] <= 300_000


def test_device_has_one_share_for_all_sites() -> None:
    queue = IngestQueue()
    fill(queue, "flood", b"x" * 100_000, "one")
    assert fill(queue, "flood", b"x" * 100_000, "two") == []


def test_total_size_is_limited() -> None:
    queue = IngestQueue()
    for number in range(10):
        fill(queue, f"device-{number}", b"x" * 1_000_000)
    assert sum(len(each.payload) for each in take(queue)) <= MAX_QUEUE_BYTES + 10_000_000


def test_many_devices_that_fill_the_queue_leave_room_for_another() -> None:
    queue = IngestQueue()
    for number in range(50):
        fill(queue, f"flood-{number}", b"x" * 100_000)
    honest = [message("honest", b"x" * 1_000) for _ in range(100)]
    assert all(queue.offer(each) for each in honest)
    assert queue.dropped.keys().isdisjoint({"honest"})
    assert [each for each in take(queue) if "honest" in each.topic] == honest


def test_number_of_counted_device_names_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anura_base.ingest.ingest_queue.MAX_DEVICE_BYTES", 0)
    queue = IngestQueue()
    for number in range(2 * MAX_COUNTED_DEVICES):
        assert not queue.offer(message(f"flood-{number}"))
    assert queue.dropped.total() == 2 * MAX_COUNTED_DEVICES
    assert len(queue.dropped) == MAX_COUNTED_DEVICES + 1
    assert queue.dropped[OTHERS] == MAX_COUNTED_DEVICES


def test_group_ends_with_the_message_that_reaches_the_size() -> None:
    queue = IngestQueue()
    for _ in range(5):
        queue.offer(message("a", b"x" * 400))
    assert [len(take(queue, size_bytes=1_000)) for _ in range(3)] == [3, 2, 0]


@pytest.mark.parametrize("topic", ["", "/", "anura", "a/b/c/" + "d" * 10_000, "\0"])
def test_message_with_odd_topic_is_queued(topic: str) -> None:
    queue = IngestQueue()
    odd = RawMessage(topic, b"", False, datetime.now(UTC))
    assert queue.offer(odd)
    assert take(queue) == [odd]
