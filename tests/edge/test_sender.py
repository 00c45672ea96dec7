"""Whatever becomes of messages and answers, a row leaves the queue only when the base has it, and in the end all do."""

from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anura_base.sequence import Progress
from anura_edge import wire
from anura_edge.config import Config, Mqtt
from anura_edge.errors import DeliveryError
from anura_edge.events import Effort, Event
from anura_edge.journal import Journal
from anura_edge.link import Closed, Published, Received
from anura_edge.sender import Sender
from anura_edge.suspicion import Suspicion

FORMS = {"event": wire.EventBatch, "effort": wire.EffortBatch, "notice": wire.NoticeBatch}


class Air:
    """A link whose messages a test takes down one by one."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str, bytes]] = []
        self._mid = 0

    def publish(self, topic: str, payload: bytes) -> int:
        self._mid += 1
        self.sent.append((self._mid, topic, payload))
        return self._mid


class Base:
    """A base station's memory: exactly what `anura_base.ingest` answers, without a database."""

    def __init__(self) -> None:
        self.ids: set[UUID] = set()
        self.progress = Progress()

    def store(self, topic: str, payload: bytes) -> bytes:
        batch = FORMS[wire.parse_topic(topic)[2]].from_bytes(payload)
        if any(getattr(row, "label", "") == "BAD" for row in batch.rows):
            return wire.Refusal(refused=wire.digest(payload), reason="BAD").to_bytes()
        self.ids |= {row.id for row in batch.rows}
        self.progress = self.progress.add((row.seq for row in batch.rows), batch.floor)
        highest = max(row.seq for row in batch.rows)
        seq = min(self.progress.contiguous, highest)
        above = tuple((row.seq, row.seq) for row in batch.rows if row.seq > seq)
        missing = self.progress.lacking(highest, 32)
        return wire.Ack(journal=batch.journal, seq=seq, received=above, missing=missing).to_bytes()


fates = st.sampled_from(["arrives", "arrives", "arrives", "lost", "not answered", "twice", "no puback", "closed"])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.lists(fates, max_size=6)), max_size=6),
    st.sets(st.integers(0, 40), max_size=2),
)
def test_the_base_has_exactly_what_was_committed_whatever_happens_on_the_way(
    tmp_path_factory: pytest.TempPathFactory,
    make_event: Callable[..., Event],
    make_effort: Callable[..., Effort],
    made_by: wire.Provenance,
    history: list[tuple[int, list[str]]],
    poison: set[int],
) -> None:
    base, committed, suspicion = Base(), set[UUID](), Suspicion()
    mqtt = Mqtt(host="h", resend_s=3_600)
    with closing(Journal(tmp_path_factory.mktemp("state") / "journal.db")) as journal:

        def connect() -> tuple[Air, Sender]:
            air = Air()
            link: Any = air
            return air, Sender(journal, Config(), mqtt, link, 100_000, suspicion)

        def end_one(air: Air, sender: Sender, fate: str) -> None:
            mid, topic, payload = air.sent.pop(0)
            if fate != "no puback":
                sender.take(Published(mid, accepted=True, reason="", blames_row=False))
            for _ in range({"lost": 0, "twice": 2}.get(fate, 1)):
                answer = base.store(topic, payload)
                if fate != "not answered":
                    sender.take(Received(answer))

        heard = 0
        air, sender = connect()
        for count, whats in [*history, (0, [])]:
            events = [make_event(n, label="BAD" if n in poison else "LOW") for n in range(heard, heard + count)]
            heard += count
            journal.commit(events, [make_effort(heard)] if count else [], made_by)
            committed |= {event.id for event in events if event.label != "BAD"}
            committed |= {make_effort(heard).id} if count else set()
            for fate in whats:
                sender.send()
                if fate == "closed":
                    with pytest.raises(DeliveryError):
                        sender.take(Closed("over"))
                    air, sender = connect()
                elif air.sent:
                    end_one(air, sender, fate)
                waiting = {row.id for row in journal.pending(0, 10**6)}
                assert committed <= base.ids | waiting, "nothing leaves the queue that is not there"

        journal.commit([make_event(10**6)], [], made_by)  # somebody must be taken for another to be found guilty
        committed.add(make_event(10**6).id)
        air, sender = connect()
        for _ in range(300):
            sender.send()
            if not air.sent:
                break
            end_one(air, sender, "arrives")
        assert committed <= base.ids
        assert journal.pending_count() == 0
        bad = {make_event(n, label="BAD").id for n in poison if n < heard}
        assert not bad & base.ids
        assert journal.resend(None) >= len(bad), "set aside, not lost"
