"""The first devices get a model immediately, the others when it has worked, and nobody after a fault."""

from datetime import UTC, datetime, timedelta

import pytest

from anura_base.updates.rollout_rules import RolloutDevice, State, due, fault, is_done
from anura_edge.wire import Owner

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
WAIT = timedelta(hours=24)


def rollout(*states: State, age: timedelta = WAIT) -> list[RolloutDevice]:
    return [RolloutDevice(Owner("pond", str(n)), state, NOW - age, f"{n} failed") for n, state in enumerate(states)]


def names(devices: list[RolloutDevice], first: int = 1) -> str:
    return "".join(owner.device for owner in due(devices, first, WAIT, NOW))


def test_first_devices_get_the_model_immediately() -> None:
    assert names(rollout("waiting", "waiting", "waiting")) == "0"
    assert names(rollout("waiting", "waiting", "waiting"), first=2) == "01"
    assert names(rollout("waiting", "waiting"), first=9) == "01"


@pytest.mark.parametrize("state", ["sent", "trial", "stopped"])
def test_others_wait_until_the_first_have_kept_it(state: State) -> None:
    assert names(rollout(state, "waiting")) == ""
    assert names(rollout("kept", state, "waiting"), first=2) == ""


def test_others_wait_until_it_has_worked_for_the_time() -> None:
    assert names(rollout("kept", "waiting", "waiting", age=WAIT - timedelta(seconds=1))) == ""
    assert names(rollout("kept", "waiting", "waiting")) == "12"


@pytest.mark.parametrize("state", ["refused", "rolled_back"])
def test_no_device_gets_it_after_a_fault(state: State) -> None:
    devices = rollout("kept", state, "waiting")
    assert names(devices) == ""
    assert fault(devices) == "pond/1: 1 failed"


def test_rollout_is_done_when_all_have_kept_it() -> None:
    assert is_done(rollout("kept", "kept"))
    assert not is_done(rollout("kept", "trial"))
    assert fault(rollout("kept", "trial", "waiting")) is None
