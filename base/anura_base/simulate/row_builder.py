"""Make the rows of a simulated device, numbered as in a device's journal."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid5

from anura_base.simulate.fauna import Species
from anura_base.simulate.fleet import SimulatedDevice
from anura_edge.audio import ClockSource
from anura_edge.events import NAMESPACE, EffortState, NoticeKind, default_analysis_id, effort_id, event_id
from anura_edge.wire import EffortRow, EventRow, NoticeRow

PROVENANCE = {
    "model_id": "frogs-eastern-north-america",
    "model_version": "0.1.0",
    "model_sha256": "51" * 32,
    "config_hash": "51a0051a0051",
    "app_version": "0.1.0",
}
_WITHOUT_MODEL = {**PROVENANCE, "model_id": "", "model_version": "", "model_sha256": "", "config_hash": ""}


@dataclass(frozen=True, slots=True)
class RecordedHour:
    """One hour of a night: its state of effort, and the position of its audio."""

    state: EffortState
    recording: str
    name: str
    first_sample: int


@dataclass(frozen=True, slots=True)
class Detection:
    """The values of an event that the simulation draws."""

    species: Species
    onset_sample: int
    start_utc: datetime
    duration_s: float
    p_peak: float
    p_mean: float
    level_dbfs: float


class RowBuilder:
    """Makes rows with ascending sequence numbers."""

    def __init__(self, device: SimulatedDevice) -> None:
        self._journal = device.journal
        self.rate_hz = 24_000 if device.from_card else 48_000
        self._clock_source = ClockSource.RECORDER if device.from_card else ClockSource.SYSTEM
        self._seq = 0
        """The number of the last row."""

    def event(self, hour: RecordedHour, detection: Detection) -> EventRow:
        """Make the row of an event."""
        d = detection
        return EventRow(
            seq=self._next_seq(),
            id=event_id(hour.recording, d.onset_sample, d.species.code, PROVENANCE["model_sha256"]),
            label=d.species.code,
            scientific_name=d.species.scientific_name,
            onset_sample=d.onset_sample,
            offset_sample=d.onset_sample + int(d.duration_s * self.rate_hz),
            start_utc=d.start_utc,
            end_utc=d.start_utc + timedelta(seconds=d.duration_s),
            p_peak=round(d.p_peak, 4),
            p_mean=round(d.p_mean, 4),
            level_dbfs=round(d.level_dbfs, 2),
            **self._recording_fields(hour),
        )

    def effort(
        self, hour: RecordedHour, state: EffortState, start_utc: datetime, first_sample: int, samples: int
    ) -> EffortRow:
        """Make a row of effort."""
        return EffortRow(
            seq=self._next_seq(),
            id=effort_id(hour.recording, first_sample, state, PROVENANCE["model_sha256"]),
            state=state,
            first_sample=first_sample,
            samples=samples,
            start_utc=start_utc,
            **self._recording_fields(hour),
        )

    def notice(
        self, night: int, what: NoticeKind, utc: datetime, detail: str, amount: float | None = None
    ) -> NoticeRow:
        """Make the row of a notice; there is at most one of a kind in a night."""
        number = uuid5(NAMESPACE, f"simulated/{self._journal}/{night}/{what}")
        return NoticeRow(
            seq=self._next_seq(), id=number, what=what, utc=utc, detail=detail, recording="", amount=amount,
            **_WITHOUT_MODEL,
        )  # fmt: skip

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _recording_fields(self, hour: RecordedHour) -> dict[str, Any]:
        return {
            "recording": hour.recording,
            "analysis": default_analysis_id(hour.recording, PROVENANCE["model_sha256"]),
            "recording_name": hour.name,
            "rate_hz": self.rate_hz,
            "clock_source": self._clock_source,
            **PROVENANCE,
        }
