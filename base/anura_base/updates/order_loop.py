"""Sends orders to devices, and repeats each until its device has reported the result, because messages can be lost."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import Engine

from anura_base.db.engine import write_transaction
from anura_base.db.polling import poll_until
from anura_base.updates.orders import OpenOrder, advance_rollouts, open_orders
from anura_edge.wire import Owner

POLL_EVERY_S = 1.0
ADVANCE_EVERY_S = 60.0
"""The next stage of a roll-out begins after hours."""
MIN_WAIT_S = 20.0
"""An order is repeated after this time without progress. The wait doubles with each repetition, up to MAX_WAIT_S."""
MAX_WAIT_S = 600.0


class UpdateBroker(Protocol):
    """The connection over which orders are sent."""

    @property
    def connected(self) -> bool:
        """Whether a message can be sent."""

    def publish(self, name: str, payload: bytes) -> None:
        """Send a message, if there is a connection."""


@dataclass(slots=True)
class _Repetition:
    """How often an order is repeated."""

    progress: tuple[str, int]
    due_s: float
    wait_s: float = MIN_WAIT_S


class OrderSender:
    """Polls the database for open orders and sends them to the devices that are online."""

    def __init__(self, engine: Engine, broker: UpdateBroker, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._broker, self._clock = engine, broker, clock
        self._repetitions: dict[tuple[Owner, int], _Repetition] = {}
        self._advance_at_s = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Poll until `stop` is set."""
        poll_until(stop, POLL_EVERY_S, self.poll, "cannot read which models and settings to send")

    def poll(self) -> None:
        """Send the orders that are due. A device that comes online gets its orders immediately."""
        if self._clock() >= self._advance_at_s:
            self._advance_at_s = self._clock() + ADVANCE_EVERY_S
            with write_transaction(self._engine) as connection:
                advance_rollouts(connection, datetime.now(UTC))
        orders: list[OpenOrder] = []
        if self._broker.connected:
            with self._engine.connect() as connection:
                orders = open_orders(connection)
        known = self._repetitions
        self._repetitions = {}
        for order in orders:
            key, now_s = (order.device, order.number), self._clock()
            repetition = known.get(key) or _Repetition(order.progress, now_s)
            self._repetitions[key] = repetition
            if repetition.progress != order.progress:
                repetition.progress, repetition.wait_s = order.progress, MIN_WAIT_S
                repetition.due_s = now_s + MIN_WAIT_S
            if now_s >= repetition.due_s:
                self._broker.publish(*order.message)
                repetition.due_s = now_s + repetition.wait_s
                repetition.wait_s = min(2 * repetition.wait_s, MAX_WAIT_S)
