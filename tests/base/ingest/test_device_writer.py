"""Status and health of a device. A retained message does not show when the device was online."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anura_base.analysis.network_status import device_statuses
from anura_base.db.schema import devices
from anura_base.ingest import device_writer
from anura_base.web.recent_activity import read_recent_activity
from anura_edge.wire import Refusal, Status, batch, topic

RECEIVED = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def test_retained_status_does_not_set_last_seen(sender) -> None:  # noqa: ANN001
    sender.status(Status(state="online", app_version="0.1.0"), retained=True)
    assert (sender.view().state, sender.view().last_seen_utc, sender.view().app_version) == ("unknown", None, "0.1.0")
    sender.status(Status(state="online"))
    sender.status(Status(state="offline"))
    view = sender.view()
    assert (view.state, view.last_seen_utc, view.app_version) == ("offline", RECEIVED, "0.1.0")


def test_device_is_online_only_while_messages_arrive(sender: Any, make: Any) -> None:
    """The device dies, the broker restarts, and sends the status that it had stored."""
    now = datetime.now(UTC)
    for every_s, silent_s, expected in (
        (60, 0, "online"), (60, 170, "online"), (60, 200, "unknown"), (3_600, 9_000, "online"), (60, -9_000, "unknown"),
    ):  # fmt: skip
        seen_utc = now - timedelta(seconds=silent_s)
        name = topic("INCT04", sender.device, "health")
        sender.raw(name, make.health(every_s=every_s).to_bytes(), received_utc=seen_utc)
        sender.status(Status(state="online"), retained=True)
        assert sender.view().state == expected
        with sender.engine.connect() as connection:
            assert read_recent_activity(connection, {}).online == (expected == "online")
            (status,) = device_statuses(connection, {})
            assert (status.state, status.needs_attention) == (expected, expected != "online" or status.health_is_stale)


def test_latest_live_health_message_counts(sender, make: Any) -> None:  # noqa: ANN001
    sender.health(make.health(pending=3))
    sender.health(make.health(pending=2, problems=("the model does not answer",)))
    sender.health(make.health(pending=1), retained=True)
    assert sender.view().health == make.health(pending=2, problems=("the model does not answer",))
    assert sender.view().last_seen_utc == RECEIVED


def test_retained_or_overdue_health_is_stale(sender, make: Any) -> None:  # noqa: ANN001
    sender.status(Status(state="online"))
    assert (sender.view().health, sender.view().health_is_stale) == (None, False)
    sender.health(make.health(), retained=True)
    assert (sender.view().health, sender.view().health_is_stale) == (make.health(), True)
    sender.health(make.health(), received_utc=datetime.now(UTC))
    assert not sender.view().health_is_stale
    sender.health(make.health(every_s=1e12), received_utc=datetime.now(UTC) - timedelta(days=8))
    assert sender.view().health_is_stale


def test_messages_without_rows_cannot_keep_a_device_with_rows_away(
    sender: Any, new_sender: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of status messages fills the table of devices; a device with rows takes the place of one of them."""
    monkeypatch.setattr(device_writer, "MAX_DEVICES", 3)
    sender.rows(make.event(1))
    for number in range(5):
        new_sender(device=f"invented-{number}").status(Status(state="online"))
    assert sender.count(devices) == 3
    assert "anura-base device remove" in sender.reasons()[0]
    for number in range(2):
        assert new_sender(device=f"real-{number}").rows(make.event(1)) == 1
    assert sender.count(devices) == 3
    late = new_sender(device="real-3").raw("anura/v1/INCT04/real-3/event", batch(sender.journal, 1, [make.event(1)]))
    assert "3 devices" in Refusal.from_bytes(late[0][1]).reason


def test_devices_of_one_site_are_limited(sender: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_writer, "MAX_SITE_DEVICES", 2)
    for site in ("a", "b"):
        for number in range(4):
            sender.raw(f"anura/v1/{site}/{number}/status", Status(state="online").to_bytes())
    assert sender.count(devices) == 4
    assert "at the site a" in sender.reasons()[0]
