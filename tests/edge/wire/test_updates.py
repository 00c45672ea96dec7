"""Orders are trusted only with the MAC of the device's own base station, and any payload is a message or an error."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anura_edge import wire
from anura_edge.errors import DeliveryError
from anura_edge.wire.commands import COMMANDS
from anura_edge.wire.updates import UPDATES

KEY = b"k" * 32
OFFER = wire.ModelOffer(site="s", device="d", number=3, id="tones", version="1.0.0", sha256="0" * 64, size=9)
CHANGE = wire.SettingsChange(
    site="s", device="d", number=3, values={"detect.preset": "strict"}, removed=("clips.max_s",), confirm_s=600
)
KEPT = wire.SettingsKept(site="s", device="d", number=3)


@pytest.mark.parametrize("order", [OFFER, CHANGE, KEPT], ids=lambda order: order.command)
def test_order_is_read_as_it_was_sent(order: Any) -> None:
    assert not order.is_signed(KEY)
    read = wire.parse_command(wire.pack(order.signed(KEY).to_bytes()))
    assert read == order.signed(KEY)
    assert isinstance(read, type(order))
    assert read.is_signed(KEY)
    assert not read.is_signed(b"other" * 8)


CHANGED: list[tuple[Any, str, Any]] = [
    *(
        (order, *change)
        for order in (OFFER, CHANGE, KEPT)
        for change in (("site", "x"), ("device", "x"), ("number", 4))
    ),
    (OFFER, "sha256", "1" * 64),
    (OFFER, "version", "2.0.0"),
    (OFFER, "size", 10),
    (CHANGE, "values", {"detect.preset": "sensitive"}),
    (CHANGE, "removed", ()),
    (CHANGE, "confirm_s", 601.0),
]


@pytest.mark.parametrize(("order", "field", "value"), CHANGED)
def test_no_field_of_an_order_can_be_changed(order: Any, field: str, value: Any) -> None:
    assert not order.signed(KEY).model_copy(update={field: value}).is_signed(KEY)


def test_mac_of_one_kind_is_no_mac_of_another() -> None:
    macs = {order.signed(KEY).mac for order in (OFFER, CHANGE, KEPT)}
    assert len(macs) == 3


def test_part_is_read_as_it_was_sent() -> None:
    part = wire.ModelPart(sha256="0" * 64, offset=7, data=bytes(range(256)))
    assert wire.parse_command(wire.pack(part.to_bytes())) == part


@given(
    st.binary(max_size=80)
    | st.sampled_from([*COMMANDS, *UPDATES]).map(lambda tag: f'{{"command": "{tag}", "update": "{tag}"}}'.encode())
)
@example(b"{}")
@example(b'{"command": "reboot"}')
@example(wire.pack(b" " * 2_000_000))
def test_other_payloads_are_errors(payload: bytes) -> None:
    for parse in (wire.parse_command, wire.parse_update):
        with pytest.raises(DeliveryError):
            parse(payload)
