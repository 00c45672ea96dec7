"""Delivers a backlog over links that are down for days, lossy, slow or half open."""

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import soundfile as sf
from support import DEADLINE_S, eventually

from anura_edge.demo.card import CLIPS
from faultlab.device_process import DeviceProcess, fill_journal
from faultlab.fault_report import FaultReport, compare
from faultlab.network_link import HERE, NetworkLink
from faultlab.servers import Servers

SAMPLE_EVERY_S = 0.05
LONGEST_DRAIN_S = 1_800

QUICK = {"WATCH__INTERVAL_S": "0.2", "WATCH__DEBOUNCE_S": "0.2"}
"""A new file on the card is analysed immediately."""

RESEND_S = 30
"""The default. With a good link no row is sent again."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """How a backlog was delivered."""

    report: FaultReport
    seconds: float
    """From the start of the link to the last acknowledgement."""
    alert_s: float | None
    """Time from a new event, at the start of the link, to its arrival at the base station."""
    before_alert: int
    """Rows of the backlog that the base station had when the new event arrived."""
    steps_back: int
    """How often a row arrived after a row with a higher number: once, because the newest events go first."""
    memory_mb: tuple[float, float]
    """Memory of the device after a tenth of the backlog, and its maximum."""
    wire_bytes: int
    """Bytes on the link in both directions, headers included. 0 if they were not counted."""

    def __str__(self) -> str:
        rows, (first, most) = self.report.rows, self.memory_mb
        alert = "" if self.alert_s is None else f"; alert after {self.alert_s:.1f} s, behind {self.before_alert} rows"
        size = f"; {self.wire_bytes} bytes, {self.wire_bytes / rows:.0f} a row" if self.wire_bytes else ""
        return (
            f"{rows} rows in {self.seconds:.0f} s, {rows / self.seconds:.0f} a second, "
            f"{self.steps_back} steps back{alert}; {self.report.lost} lost, "
            f"{self.report.duplicates} duplicates, {self.report.repeats} sent again; "
            f"device {first:.0f} MB, at most {most:.0f} MB{size}"
        )


def deliver_after_outage(servers: Servers, device: str, rows: int, resend_s: int = RESEND_S) -> DeliveryResult:
    """Start the broker after 72 h, and add a recording with a frog at that moment.

    If the device connects before the base station, the broker has no subscriber for its rows. The device sends them
    again after `resend_s`.
    """
    ids = fill_journal(servers.folder / device / "state", device, rows)
    servers.broker.stop()
    with DeviceProcess(servers, device, {"MQTT__RESEND_S": resend_s, **QUICK}) as edge:
        eventually(lambda: "rows wait in the journal" in edge.log_text)
        servers.broker.start()
        return _drain(servers, device, edge, ids, with_alert=True)


def deliver_over(servers: Servers, link: NetworkLink, port: int, device: str, rows: int) -> DeliveryResult:
    """Deliver a backlog over a link to a listener of the broker."""
    ids = fill_journal(servers.folder / device / "state", device, rows)
    settings = {"MQTT__HOST": HERE, "MQTT__PORT": port, "MQTT__RESEND_S": RESEND_S}
    with DeviceProcess(servers, device, settings, link.command_prefix) as edge:
        return _drain(servers, device, edge, ids, link)


def measure_half_open(
    servers: Servers, link: NetworkLink, port: int, device: str, keepalive_s: int
) -> tuple[float, float]:
    """Drop all packets, then restore the link. Return the seconds until the device notices, and until it delivers."""
    fill_journal(servers.folder / device / "state", device, 1)
    settings = {"MQTT__HOST": HERE, "MQTT__PORT": port, "MQTT__KEEPALIVE_S": keepalive_s}
    with DeviceProcess(servers, device, settings, link.command_prefix) as edge:
        eventually(lambda: not edge.pending())
        link.drop_packets(100)
        died = time.monotonic()
        eventually(lambda: "rows wait in the journal" in edge.log_text, 3 * keepalive_s + DEADLINE_S)
        noticed = time.monotonic()
        link.restore()
        eventually(lambda: edge.log_text.count("delivering to") == 2, 5 * DEADLINE_S)
        return noticed - died, time.monotonic() - noticed


def listener_setting(port: int) -> str:
    """Return the broker setting for a listener at this end of the link."""
    return f"listener {port} {HERE}\n"


def _drain(
    servers: Servers,
    device: str,
    edge: DeviceProcess,
    ids: set[UUID],
    link: NetworkLink | None = None,
    *,
    with_alert: bool = False,
) -> DeliveryResult:
    began, crossed = time.monotonic(), link.crossed_bytes() if link else 0
    first = most = 0.0
    if with_alert:
        _add_frog(edge.card)
    alert_s, before_alert = None, 0
    while (pending := edge.pending()) or (with_alert and alert_s is None):
        assert time.monotonic() - began < LONGEST_DRAIN_S, edge.log_text
        most = max(most, edge.memory_mb())
        first = first or (most if pending <= 0.9 * len(ids) else 0.0)
        if with_alert and alert_s is None and (before := _rows_before_alert(servers, device)) is not None:
            alert_s, before_alert = time.monotonic() - began, before
        time.sleep(SAMPLE_EVERY_S)
    seconds = time.monotonic() - began
    crossed = link.crossed_bytes() - crossed if link else 0
    order = [row["seq"] for row in servers.base.rows(device, "event") if UUID(row["id"]) in ids]
    new = servers.base.ids(device).keys() - ids
    report = compare(servers, device, edge.state, ids | new, {})
    return DeliveryResult(
        report,
        seconds,
        alert_s,
        before_alert,
        sum(after < before for before, after in pairwise(order)),
        (first, most),
        crossed,
    )


def _rows_before_alert(servers: Servers, device: str) -> int | None:
    """Count the rows of the backlog at the base station when the new event arrived; None before that."""
    (call,) = servers.base.query_row(
        "SELECT min(arrival) FROM events WHERE recording_name = 'alert.wav' AND device = ?", device
    )
    if call is None:
        return None
    return int(servers.base.query_row(f"SELECT count(*) FROM events WHERE arrival < {call} AND device = ?", device)[0])


def _add_frog(card: Path) -> None:
    """Add a recording with a frog to a card."""
    samples, rate_hz = sf.read(CLIPS / "HYLCIN_n00.ogg", dtype="float32")
    sf.write(card / "part", samples, rate_hz, format="WAV", subtype="PCM_16")
    (card / "part").rename(card / "alert.wav")
