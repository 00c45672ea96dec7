from datetime import UTC, datetime

import pytest

from anura_base.ingest.batch import RawMessage
from anura_base.ingest.ingest_queue import MAX_DEVICE_BYTES, MAX_INBOX_BYTES, MAX_NAMES, OTHERS, IngestQueue

MUCH = 10**9


def message(device: str, payload: bytes = b"x", site: str = "pond") -> RawMessage:
    return RawMessage(f"anura/v1/{site}/{device}/event", payload, False, datetime.now(UTC))


def take(inbox: IngestQueue, count: int = 10**6, size_bytes: int = MUCH) -> list[RawMessage]:
    return inbox.take(count, size_bytes, timeout_s=0)


def fill(inbox: IngestQueue, device: str, payload: bytes, site: str = "pond") -> list[RawMessage]:
    messages = [message(device, payload, site)]
    while inbox.offer(messages[-1]):
        messages.append(message(device, payload, site))
    return messages[:-1]


@pytest.mark.parametrize("payload_bytes", [0, 1_000_000])
def test_a_device_that_fills_its_share_leaves_room_for_the_others_and_loses_no_order(payload_bytes: int) -> None:
    inbox = IngestQueue()
    flood = fill(inbox, "flood", b"x" * payload_bytes)
    assert sum(len(each.payload) for each in flood) <= MAX_DEVICE_BYTES + payload_bytes
    assert inbox.offer(message("honest"))
    assert inbox.dropped == {"flood": 1}
    assert [each for each in take(inbox) if "flood" in each.topic] == flood
    assert take(inbox) == []


def test_no_device_waits_for_the_backlog_of_another() -> None:
    inbox = IngestQueue()
    for _ in range(100):
        inbox.offer(message("flood"))
    inbox.offer(message("a"))
    inbox.offer(message("b"))
    assert [each.topic.split("/")[3] for each in take(inbox, 5)] == ["flood", "a", "b", "flood", "flood"]


def test_a_device_has_one_share_whatever_sites_it_names() -> None:
    inbox = IngestQueue()
    fill(inbox, "flood", b"x" * 100_000, "one")
    assert fill(inbox, "flood", b"x" * 100_000, "two") == []


def test_all_devices_together_are_bounded() -> None:
    inbox = IngestQueue()
    for number in range(10):
        fill(inbox, f"device-{number}", b"x" * 1_000_000)
    assert sum(len(each.payload) for each in take(inbox)) <= MAX_INBOX_BYTES + 10_000_000


def test_what_was_left_out_is_counted_by_name_as_far_as_names_are_bounded() -> None:
    inbox = IngestQueue()
    for number in range(4):
        fill(inbox, f"device-{number}", b"x" * 1_000_000)
    before = inbox.dropped.total()
    for number in range(2 * MAX_NAMES):
        assert not inbox.offer(message(f"flood-{number}"))
    assert inbox.dropped.total() == before + 2 * MAX_NAMES
    assert len(inbox.dropped) == MAX_NAMES + 1
    assert inbox.dropped[OTHERS] > 0


def test_a_group_ends_with_the_message_that_makes_it_large() -> None:
    inbox = IngestQueue()
    for _ in range(5):
        inbox.offer(message("a", b"x" * 400))
    assert [len(take(inbox, size_bytes=1_000)) for _ in range(3)] == [3, 2, 0]


@pytest.mark.parametrize("topic", ["", "/", "anura", "a/b/c/" + "d" * 10_000, "\0"])
def test_a_topic_of_nobody_is_somebodys(topic: str) -> None:
    inbox = IngestQueue()
    odd = RawMessage(topic, b"", False, datetime.now(UTC))
    assert inbox.offer(odd)
    assert take(inbox) == [odd]
