"""Links that are gone for days, lossy, thin or half open, and what a backlog takes to cross them."""

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import soundfile as sf
from support import DEADLINE_S, eventually

from anura_edge.demo.card import CLIPS
from faultlab.backlog import Edge, fill
from faultlab.field import Field
from faultlab.ledger import Ledger, settle
from faultlab.link import HERE, Link

SAMPLE_EVERY_S = 0.05
LONGEST_DRAIN_S = 1_800

QUICK = {"WATCH__INTERVAL_S": "0.2", "WATCH__DEBOUNCE_S": "0.2"}
"""So that a new file on the card is heard at once."""

RESEND_S = 30
"""The default: nothing is sent again while all is well."""


@dataclass(frozen=True, slots=True)
class Drain:
    """How a backlog crossed a link."""

    books: Ledger
    seconds: float
    """From the first moment of the link to the last acknowledgement."""
    alert_s: float | None
    """How long a call that was heard when the link came back took to the base station."""
    before_alert: int
    """Rows of the backlog that the base station had when the alert came."""
    steps_back: int
    """How often a row of the backlog came after a later one: once, where the newest calls went first."""
    memory_mb: tuple[float, float]
    """Of the device, when a tenth of the backlog had gone, and at its highest."""
    wire_bytes: int
    """All that crossed the link, in both directions, with all headers; 0 where nobody counted."""

    def __str__(self) -> str:
        rows, (first, most) = self.books.rows, self.memory_mb
        alert = "" if self.alert_s is None else f"; alert after {self.alert_s:.1f} s, behind {self.before_alert} rows"
        size = f"; {self.wire_bytes} bytes, {self.wire_bytes / rows:.0f} a row" if self.wire_bytes else ""
        return (
            f"{rows} rows in {self.seconds:.0f} s, {rows / self.seconds:.0f} a second, "
            f"{self.steps_back} steps back{alert}; {self.books.lost} lost, "
            f"{self.books.duplicates} duplicates, {self.books.repeats} sent again; "
            f"device {first:.0f} MB, at most {most:.0f} MB{size}"
        )


def after_days(field: Field, device: str, rows: int, resend_s: int = RESEND_S) -> Drain:
    """Bring the broker back after 72 h, and let a frog call at that moment.

    Where the device is back before the base station, the broker has nobody to give its rows to: it sends them again
    after `resend_s`.
    """
    ids = fill(field.folder / device / "state", device, rows)
    field.broker.stop()
    with Edge(field, device, {"MQTT__RESEND_S": resend_s, **QUICK}) as edge:
        eventually(lambda: "rows wait in the journal" in edge.said)
        field.broker.start()
        return _drain(field, device, edge, ids, with_alert=True)


def over(field: Field, link: Link, port: int, device: str, rows: int) -> Drain:
    """Deliver a backlog over a link, to the broker's listener of that port."""
    ids = fill(field.folder / device / "state", device, rows)
    settings = {"MQTT__HOST": HERE, "MQTT__PORT": port, "MQTT__RESEND_S": RESEND_S}
    with Edge(field, device, settings, link.within) as edge:
        return _drain(field, device, edge, ids, link)


def half_open(field: Field, link: Link, port: int, device: str, keepalive_s: int) -> tuple[float, float]:
    """Let a link die without a word; return how long the device took to notice, and to be back after it was mended."""
    fill(field.folder / device / "state", device, 1)
    settings = {"MQTT__HOST": HERE, "MQTT__PORT": port, "MQTT__KEEPALIVE_S": keepalive_s}
    with Edge(field, device, settings, link.within) as edge:
        eventually(lambda: not edge.pending())
        link.lose(100)
        died = time.monotonic()
        eventually(lambda: "rows wait in the journal" in edge.said, 3 * keepalive_s + DEADLINE_S)
        noticed = time.monotonic()
        link.heal()
        eventually(lambda: edge.said.count("delivering to") == 2, 5 * DEADLINE_S)
        return noticed - died, time.monotonic() - noticed


def listener(port: int) -> str:
    """Return the setting that makes a broker listen at this end of the link."""
    return f"listener {port} {HERE}\n"


def _drain(
    field: Field, device: str, edge: Edge, ids: set[UUID], link: Link | None = None, *, with_alert: bool = False
) -> Drain:
    began, crossed = time.monotonic(), link.bytes() if link else 0
    first = most = 0.0
    if with_alert:
        _call(edge.card)
    alert_s, before_alert = None, 0
    while (pending := edge.pending()) or (with_alert and alert_s is None):
        assert time.monotonic() - began < LONGEST_DRAIN_S, edge.said
        most = max(most, edge.memory_mb())
        first = first or (most if pending <= 0.9 * len(ids) else 0.0)
        if with_alert and alert_s is None and (before := _rows_before_alert(field, device)) is not None:
            alert_s, before_alert = time.monotonic() - began, before
        time.sleep(SAMPLE_EVERY_S)
    seconds = time.monotonic() - began
    crossed = link.bytes() - crossed if link else 0
    order = [row["seq"] for row in field.base.rows(device, "event") if UUID(row["id"]) in ids]
    new = field.base.ids(device).keys() - ids
    books = settle(field, device, edge.state, ids | new, {})
    return Drain(
        books,
        seconds,
        alert_s,
        before_alert,
        sum(after < before for before, after in pairwise(order)),
        (first, most),
        crossed,
    )


def _rows_before_alert(field: Field, device: str) -> int | None:
    """Count what the base station has of the backlog, if it has the new call."""
    (call,) = field.base.ask(
        "SELECT min(arrival) FROM events WHERE recording_name = 'alert.wav' AND device = ?", device
    )
    if call is None:
        return None
    return int(field.base.ask(f"SELECT count(*) FROM events WHERE arrival < {call} AND device = ?", device)[0])


def _call(card: Path) -> None:
    """Put a new recording with a frog onto a card."""
    samples, rate_hz = sf.read(CLIPS / "HYLCIN_n00.ogg", dtype="float32")
    sf.write(card / "part", samples, rate_hz, format="WAV", subtype="PCM_16")
    (card / "part").rename(card / "alert.wav")
