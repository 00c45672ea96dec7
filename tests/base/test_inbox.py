from datetime import UTC, datetime
from queue import Empty, Full

import pytest

from anura_base.inbox import MAX_INBOX_BYTES, OVERHEAD_BYTES, Inbox
from anura_base.ingest import Message


@pytest.mark.parametrize("payload_bytes", [0, 1_000_000])
def test_it_takes_messages_up_to_its_bytes_and_gives_them_back_in_order(payload_bytes: int) -> None:
    fit = -(-MAX_INBOX_BYTES // (OVERHEAD_BYTES + payload_bytes))
    messages = [Message(str(n), b"x" * payload_bytes, False, datetime.now(UTC)) for n in range(fit)]
    inbox = Inbox()
    for message in messages:
        inbox.put_nowait(message)
    with pytest.raises(Full):
        inbox.put_nowait(messages[0])
    assert [inbox.get_nowait() for _ in messages] == messages
    with pytest.raises(Empty):
        inbox.get_nowait()
