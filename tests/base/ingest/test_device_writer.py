"""Status and health of a device. A retained message does not show when the device was online."""

from datetime import UTC, datetime, timedelta
from typing import Any

from anura_edge.wire import Status

RECEIVED = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def test_retained_status_does_not_set_last_seen(sender) -> None:  # noqa: ANN001
    sender.status(Status(state="online", app_version="0.1.0"), retained=True)
    assert (sender.view().state, sender.view().last_seen_utc, sender.view().app_version) == ("online", None, "0.1.0")
    sender.status(Status(state="online"))
    sender.status(Status(state="offline"))
    view = sender.view()
    assert (view.state, view.last_seen_utc, view.app_version) == ("offline", RECEIVED, "0.1.0")


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
