"""Messages about clips round-trip, and unknown commands are refused."""

import json
import random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge import wire
from anura_edge.errors import DeliveryError

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=64)
counts = st.integers(0, wire.MAX_SEQ)
hashes = st.from_regex("[0-9a-f]{64}", fullmatch=True)


def encode(message: object) -> bytes:
    return json.dumps(message).encode()


@given(
    st.builds(
        wire.ClipPart,
        event=st.uuids(),
        sha256=hashes,
        size=st.integers(1, wire.MAX_CLIP_BYTES),
        first_sample=counts,
        offset=st.integers(0, wire.MAX_CLIP_BYTES),
        data=st.binary(max_size=99),
    )
    | st.builds(wire.ClipDenial, event=st.uuids(), why=st.sampled_from(["off", "gone", "later"]), detail=texts)
)
def test_clip_message_round_trips(message: wire.ClipPart | wire.ClipDenial) -> None:
    assert wire.parse_clip(message.to_bytes()) == wire.parse_clip(wire.pack(message.to_bytes())) == message


@given(
    st.builds(
        wire.ClipWanted,
        command=st.just("clip"),
        event=st.uuids(),
        offset=st.integers(0, wire.MAX_CLIP_BYTES),
        sha256=st.none() | hashes,
    )
    | st.builds(wire.ClipSettled, command=st.just("clip_settled"), event=st.uuids())
)
def test_command_round_trips(command: wire.ClipWanted | wire.ClipSettled) -> None:
    assert wire.parse_command(command.to_bytes()) == command


@pytest.mark.parametrize("command", [{}, {"command": "reboot"}, {"command": None}])
def test_unknown_command_is_refused(command: dict[str, Any]) -> None:
    with pytest.raises(DeliveryError, match="command"):
        wire.parse_command(encode({"event": str(uuid4()), **command}))


def test_part_is_two_percent_larger_than_its_data() -> None:
    data = random.Random(1).randbytes(wire.MAX_PART_BYTES)
    part = wire.ClipPart(event=uuid4(), sha256="5f" * 32, size=wire.MAX_CLIP_BYTES, first_sample=10**9, data=data)
    assert len(wire.pack(part.to_bytes())) <= 1.02 * len(data)
