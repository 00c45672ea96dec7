"""The state of each row that was published over one connection."""

from collections.abc import Collection, Iterable


class RowStates:
    """A row is in one state at a time. A row in no state waits in the outbox and was not published yet.

        state      meaning                                                  leaves it by
        sent       published, not acknowledged                              resend(), acknowledge()
        resend     published, to be published again; a late                 publish(), acknowledge()
                   acknowledgement still counts
        delivered  acknowledged; the journal has not recorded it yet        recorded()

    Only rows that were published over this connection can be acknowledged.
    """

    def __init__(self) -> None:
        self._publish_order = 0
        self._sent: dict[int, int] = {}
        """Rows in the state sent, with the position of their batch in the order of publishing."""
        self._resend: set[int] = set()
        self._delivered: set[int] = set()

    @property
    def sent_count(self) -> int:
        """Number of rows that are published and not acknowledged."""
        return len(self._sent)

    @property
    def delivered(self) -> frozenset[int]:
        """Rows that the journal must still record as delivered."""
        return frozenset(self._delivered)

    def may_publish(self, seq: int) -> bool:
        """Return whether a row is neither on its way nor delivered."""
        return seq not in self._sent and seq not in self._delivered

    def publish(self, seqs: Collection[int]) -> None:
        """Enter the state sent. Delivered rows stay delivered."""
        self._publish_order += 1
        self._sent |= dict.fromkeys(set(seqs) - self._delivered, self._publish_order)
        self._resend.difference_update(seqs)

    def resend(self, seqs: Iterable[int]) -> None:
        """Enter the state resend, from the state sent."""
        for seq in seqs:
            if self._sent.pop(seq, None):
                self._resend.add(seq)

    def resend_all(self) -> None:
        """Enter the state resend with each row that is not acknowledged."""
        self.resend([*self._sent])

    def acknowledge(self, seqs: Collection[int]) -> None:
        """Enter the state delivered."""
        for seq in seqs:
            self._sent.pop(seq, None)
        self._resend.difference_update(seqs)
        self._delivered.update(seqs)

    def recorded(self, seqs: Collection[int]) -> None:
        """Forget rows that the journal has recorded as delivered."""
        self._delivered.difference_update(seqs)

    def unacknowledged(self, seqs: Iterable[int]) -> set[int]:
        """Return those of some published rows that no acknowledgement has named yet."""
        return {seq for seq in seqs if seq in self._sent or seq in self._resend}

    def lost(self, received: Collection[int], in_flight: Collection[int]) -> list[int]:
        """Return rows that were published before a received one and are neither received nor in flight.

        MQTT keeps the order of messages, so either such a row is lost or its acknowledgement is.
        """
        newest = max((self._sent.get(seq, 0) for seq in received), default=0)
        return sorted(
            seq for seq, order in self._sent.items() if order < newest and seq not in received and seq not in in_flight
        )
