"""A microphone is disconnected, loses audio, and its clock is set: samples and times stay right."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Event as Stop
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from anura_edge.app.run_microphone import MicrophoneSession
from anura_edge.audio import ClockSource, FloatArray
from anura_edge.config.analysis import AudioSettings
from anura_edge.config.energy import BatterySettings, DutyCycleSettings, EnergySettings, GateSettings
from anura_edge.detection.detector import Detector
from anura_edge.dsp.gating import EnergyMode, EnergyState
from anura_edge.errors import SourceError
from anura_edge.events import EffortState, NoticeKind
from anura_edge.health.heartbeats import Heartbeats
from anura_edge.inference.bundle import Bundle
from anura_edge.sources.microphone.devices import NoPortAudioError, usb_id
from anura_edge.store.journal import Journal
from anura_edge.store.writer import ResultWriter
from anura_edge.testing import SimulatedClock, SimulatedMicrophone, faint_noise
from anura_edge.wire import EffortRow, EventRow, NoticeRow, Provenance

RATE_HZ = 8_000
START_UTC_S = 1_795_000_000.0
YEAR_S = 365 * 86_400.0


@dataclass
class Outcome:
    """The rows of the journal after a session."""

    efforts: list[EffortRow]
    events: list[EventRow]
    notices: list[NoticeRow]
    device: SimulatedMicrophone
    clock: SimulatedClock

    def samples(self, *states: EffortState) -> int:
        return sum(effort.samples for effort in self.efforts if effort.state in states)

    def seconds(self, state: EffortState) -> list[float]:
        """Lengths of all spans of a state; neighbours are merged."""
        lengths: list[float] = []
        end = -1
        for effort in self.efforts:
            if effort.state == state:
                lengths[-1:] = (
                    [lengths[-1] + effort.samples / RATE_HZ]
                    if effort.first_sample == end
                    else [
                        *lengths[-1:],
                        effort.samples / RATE_HZ,
                    ]
                )
                end = effort.first_sample + effort.samples
        return lengths

    def notice_kinds(self) -> list[NoticeKind]:
        return [NoticeKind(notice.what) for notice in self.notices]


@dataclass
class SimulatedSession:
    """Settings and state of a session with a simulated microphone."""

    detector: Detector
    provenance: Provenance
    path: Path
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(START_UTC_S))
    energy: EnergySettings = field(default_factory=EnergySettings)
    power_state: EnergyState = field(default_factory=EnergyState)
    heartbeats: Heartbeats = field(default_factory=lambda: Heartbeats(60))

    def run(self, seconds: float, sound: Callable[[int, int], FloatArray] | None = None, **faults: Any) -> Outcome:
        """Run a session for a while. Times of faults are counted from its start."""
        start_s, stop = self.clock.monotonic_s, Stop()
        for name in ("away", "overflows", "backlogs"):
            faults[name] = [(start_s + at, start_s + to if name == "away" else to) for at, to in faults.get(name, ())]
        device = SimulatedMicrophone(self.clock, start_s + seconds, stop, sound or faint_noise(), **faults)
        journal = Journal(self.path)
        writer = ResultWriter(journal, self.provenance, lambda _: None, lambda: None)
        MicrophoneSession(
            writer,
            self.detector,
            AudioSettings(block_s=1),
            self.energy,
            self.power_state,
            stop,
            self.heartbeats,
            open_capture=device.open,
            clock=self.clock,
        ).run()
        rows = [each.row for each in journal.outbox.pending(0, 100_000)]
        journal.close()
        efforts = [row for row in rows if isinstance(row, EffortRow)]
        events = [row for row in rows if isinstance(row, EventRow)]
        return Outcome(efforts, events, [row for row in rows if isinstance(row, NoticeRow)], device, self.clock)


@pytest.fixture(scope="module")
def detector(detector_for: Callable[..., Detector], stream_bundle: Bundle) -> Detector:
    return detector_for(stream_bundle, block_s=1)


@pytest.fixture
def session(detector: Detector, provenance: Provenance, tmp_path: Path) -> SimulatedSession:
    return SimulatedSession(detector, provenance, tmp_path / "journal.db")


def check_sums(outcome: Outcome, seconds: float) -> None:
    """Each delivered sample is analysed and counted exactly once."""
    places = [(effort.first_sample, effort.first_sample + effort.samples) for effort in outcome.efforts]
    assert places[0][0] == 0
    assert all(before[1] == after[0] for before, after in pairwise(places))
    analysed = outcome.samples(EffortState.ANALYSED, EffortState.SILENT, EffortState.CLIPPED)
    assert analysed == outcome.device.delivered
    assert analysed + outcome.samples(EffortState.DROPPED) == places[-1][1]
    assert places[-1][1] / RATE_HZ == pytest.approx(seconds, abs=0.3)
    assert len({effort.id for effort in outcome.efforts}) == len(outcome.efforts)


def test_effort_of_an_hour_is_closed_at_the_full_hour(session: SimulatedSession) -> None:
    outcome = session.run(3_700)
    check_sums(outcome, 3_700)
    assert outcome.notices == []
    assert len(outcome.efforts) in (2, 3)
    assert all(effort.start_utc.minute == effort.start_utc.second == 0 for effort in outcome.efforts[1:])
    assert outcome.efforts[0].start_utc.timestamp() == pytest.approx(START_UTC_S, abs=0.1)


def test_disconnection_is_a_gap_of_its_length(session: SimulatedSession) -> None:
    outcome = session.run(300, away=[(100, 130.5)])
    check_sums(outcome, 300)
    assert outcome.notice_kinds() == [NoticeKind.MICROPHONE_LOST, NoticeKind.MICROPHONE_BACK]
    (gap_s,) = outcome.seconds(EffortState.DROPPED)
    assert 30.5 <= gap_s <= 30.5 + 10, "it is opened within 10 s"
    assert outcome.notices[1].amount == pytest.approx(gap_s)
    assert outcome.notices[0].recording == outcome.efforts[0].recording
    assert outcome.device.openings == 2
    assert len({effort.recording for effort in outcome.efforts}) == 1


def test_long_disconnection_is_one_notice_and_hourly_effort(session: SimulatedSession) -> None:
    outcome = session.run(4 * 3_600, away=[(60, 3.5 * 3_600)])
    check_sums(outcome, 4 * 3_600)
    assert outcome.notice_kinds() == [NoticeKind.MICROPHONE_LOST, NoticeKind.MICROPHONE_BACK]
    assert sum(effort.state == EffortState.DROPPED for effort in outcome.efforts) == 4
    for effort in outcome.efforts:
        assert effort.start_utc.minute * 60 + effort.start_utc.second + effort.samples / RATE_HZ <= 3_600.001


def test_disconnection_at_the_start_is_counted(session: SimulatedSession) -> None:
    outcome = session.run(600, away=[(0, 300)])
    check_sums(outcome, 600)
    assert outcome.notice_kinds() == [NoticeKind.MICROPHONE_LOST, NoticeKind.MICROPHONE_BACK]
    assert outcome.efforts[0].state == EffortState.DROPPED
    assert 300 <= outcome.efforts[0].samples / RATE_HZ <= 310
    assert outcome.efforts[0].start_utc.timestamp() == pytest.approx(START_UTC_S, abs=0.1)


def test_long_device_name_is_cut(session: SimulatedSession) -> None:
    outcome = session.run(60, away=[(0, 20)], name="hydrophone " * 100)
    assert outcome.notice_kinds() == [NoticeKind.MICROPHONE_LOST, NoticeKind.MICROPHONE_BACK]


def test_audio_lost_by_the_driver_is_found_by_the_clock(session: SimulatedSession) -> None:
    lost = [(50.0, 0.3), (100.0, 2.0), (150.0, 7.25)]
    outcome = session.run(300, overflows=lost)
    check_sums(outcome, 300)
    assert outcome.seconds(EffortState.DROPPED) == pytest.approx([seconds for _, seconds in lost], abs=0.01)


def test_backlog_is_dropped_to_the_sample(session: SimulatedSession) -> None:
    outcome = session.run(100, backlogs=[(40, 5.125)])
    check_sums(outcome, 100)
    assert outcome.seconds(EffortState.DROPPED) == [5.125]


def test_flat_signal_is_reopened_once_then_a_fault(session: SimulatedSession) -> None:
    outcome = session.run(400, sound=lambda _, count: np.zeros(count, np.float32))
    check_sums(outcome, 400)
    assert outcome.device.openings == 2
    assert outcome.notice_kinds() == [NoticeKind.MICROPHONE_LOST, NoticeKind.MICROPHONE_BACK, NoticeKind.SOUND_FAULT]
    assert outcome.samples(EffortState.SILENT) > 390 * RATE_HZ


def test_clock_drift_moves_no_event_by_more_than_0_1_s(
    session: SimulatedSession, tone: Callable[..., FloatArray]
) -> None:
    """After an hour at 150 ppm, counting samples alone would be wrong by half a second."""
    quiet, call = faint_noise(), tone(RATE_HZ, 1)
    at = 3_600 * RATE_HZ

    def sound(first: int, count: int) -> FloatArray:
        return call[first - at : first - at + count] if at <= first < at + len(call) else quiet(first, count)

    outcome = session.run(3_630, sound, drift_ppm=-150)
    (event,) = outcome.events
    true_s = START_UTC_S + at / (RATE_HZ * (1 - 150e-6))
    assert event.start_utc.timestamp() == pytest.approx(true_s, abs=0.1)
    assert outcome.notices == []
    assert outcome.samples(EffortState.ANALYSED) == outcome.device.delivered


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.generate])
@given(
    steps=st.lists(st.tuples(st.integers(1, 290), st.floats(-YEAR_S, YEAR_S)), max_size=4, unique_by=lambda s: s[0]),
    away=st.lists(st.integers(0, 29), max_size=3, unique=True),
    lost=st.lists(st.tuples(st.integers(1, 290), st.floats(0.2, 9)), max_size=3, unique_by=lambda s: s[0]),
    known=st.booleans(),
)
def test_any_faults_leave_no_sample_uncounted(
    tmp_path_factory: pytest.TempPathFactory,
    detector: Detector,
    provenance: Provenance,
    steps: list[tuple[int, float]],
    away: list[int],
    lost: list[tuple[int, float]],
    known: bool,
) -> None:
    clock = SimulatedClock(START_UTC_S, is_trusted=known)
    for at_s, forward_s in steps:
        clock.plan_step(clock.monotonic_s + at_s, forward_s)
    session = SimulatedSession(detector, provenance, tmp_path_factory.mktemp("site") / "journal.db", clock)
    call = np.sin(np.arange(800) / 8 * 2 * np.pi).astype(np.float32) / 2
    quiet = faint_noise()

    def sound(first: int, count: int) -> FloatArray:
        return call if first // 8_000 % 7 == 0 else quiet(first, count)

    outcome = session.run(300, sound, away=[(10 * at, 10 * at + 7) for at in away], backlogs=lost)
    assert outcome.samples(EffortState.ANALYSED) == outcome.device.delivered
    places = [(effort.first_sample, effort.first_sample + effort.samples) for effort in outcome.efforts]
    assert all(before[1] == after[0] for before, after in pairwise(places))
    assert all(event.start_utc <= event.end_utc for event in outcome.events)
    assert len({event.id for event in outcome.events}) == len(outcome.events)
    # Steps within one second, or within one disconnection, are one notice.
    assert outcome.notice_kinds().count(NoticeKind.CLOCK_STEP) <= len(steps)


def test_clock_step_is_a_notice_with_its_amount(session: SimulatedSession) -> None:
    session.clock.plan_step(session.clock.monotonic_s + 100, -3_600)
    outcome = session.run(200)
    (step,) = outcome.notices
    assert (step.what, step.amount) == (NoticeKind.CLOCK_STEP, pytest.approx(-3_600, abs=0.01))
    before, after = (effort for effort in outcome.efforts if effort.samples > RATE_HZ)
    ends_s = before.start_utc.timestamp() + before.samples / RATE_HZ
    assert after.start_utc.timestamp() == pytest.approx(ends_s - 3_600, abs=0.1)


def test_clock_that_becomes_known_is_a_notice_with_its_error(session: SimulatedSession) -> None:
    session.clock = SimulatedClock(0.0, is_trusted=False)
    session.clock.plan_step(session.clock.monotonic_s + 100, START_UTC_S)
    outcome = session.run(200)
    (known,) = outcome.notices
    assert (known.what, known.amount) == (NoticeKind.CLOCK_KNOWN, pytest.approx(START_UTC_S, abs=0.01))
    assert {effort.clock_source for effort in outcome.efforts} == {ClockSource.SYSTEM}
    assert outcome.efforts[0].start_utc.timestamp() == pytest.approx(START_UTC_S, abs=0.1)


def test_time_between_two_sessions_is_off(session: SimulatedSession) -> None:
    session.run(100)
    session.clock.sleep(7_200)
    outcome = session.run(100)
    first, off, second = outcome.efforts
    assert (off.state, off.recording, off.first_sample) == (EffortState.OFF, first.recording, first.samples)
    assert off.samples / RATE_HZ == pytest.approx(7_200, abs=0.3)
    assert second.recording != first.recording


def test_kill_loses_at_most_a_minute_of_effort(session: SimulatedSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the middle of a block simulates the kill."""

    def killed(first: int, count: int) -> FloatArray:
        if first > 150 * RATE_HZ:
            raise KeyboardInterrupt
        return faint_noise()(first, count)

    with pytest.raises(KeyboardInterrupt):
        session.run(300, killed)
    session.clock.sleep(1_000)
    outcome = session.run(100)
    first, off, second = outcome.efforts
    assert first.state == EffortState.ANALYSED
    assert 80 * RATE_HZ <= first.samples <= 150 * RATE_HZ
    assert first.samples + off.samples == pytest.approx(1_150 * RATE_HZ, abs=RATE_HZ)
    assert off.first_sample == first.samples
    assert second.samples == pytest.approx(100 * RATE_HZ, abs=RATE_HZ)


def calls_every_minute(tone: Callable[..., FloatArray]) -> Callable[[int, int], FloatArray]:
    """A call of 1 s in the middle of each minute since the start, and faint noise."""
    quiet, call = faint_noise(amplitude=1e-4), tone(RATE_HZ, 1)

    def sound(first: int, count: int) -> FloatArray:
        at = first % (60 * RATE_HZ) - 30 * RATE_HZ
        return call[at : at + count] if 0 <= at < len(call) else quiet(first, count)

    return sound


@pytest.mark.parametrize("killed_s", [34, 59, 95, 155])
def test_killed_session_leaves_no_call_outside_its_effort(
    session: SimulatedSession, tone: Callable[..., FloatArray], killed_s: int
) -> None:
    """A call that was stored shortly before the kill lies in analysed audio, not in time that counts as off."""
    calls = calls_every_minute(tone)

    def killed(first: int, count: int) -> FloatArray:
        if first > killed_s * RATE_HZ:
            raise KeyboardInterrupt
        return calls(first, count)

    with pytest.raises(KeyboardInterrupt):
        session.run(300, killed)
    session.clock.sleep(1_000)
    outcome = session.run(10)
    assert len(outcome.events) == round(killed_s / 60)
    for event in outcome.events:
        (heard,) = (
            effort.state
            for effort in outcome.efforts
            if effort.recording == event.recording
            and effort.first_sample <= event.onset_sample < event.offset_sample <= effort.first_sample + effort.samples
        )
        assert heard == EffortState.ANALYSED


def test_duty_cycle_follows_utc_and_counts_the_rest_as_paused(
    session: SimulatedSession, tone: Callable[..., FloatArray]
) -> None:
    """The start, 1,795,000,000, is 40 s after a full minute."""
    session.energy = EnergySettings(duty=DutyCycleSettings(on_s=20, period_s=60))
    outcome = session.run(600, calls_every_minute(tone))
    assert outcome.notice_kinds() == [NoticeKind.ENERGY]
    assert "20 s of every 60 s" in outcome.notices[0].detail
    places = [(effort.first_sample, effort.first_sample + effort.samples) for effort in outcome.efforts]
    assert all(before[1] == after[0] for before, after in pairwise(places))
    assert outcome.samples(*EffortState) == outcome.device.delivered
    analysed_efforts = [effort for effort in outcome.efforts if effort.state == EffortState.ANALYSED]
    assert len(analysed_efforts) == 10
    for effort in analysed_efforts:
        assert effort.start_utc.timestamp() % 60 == pytest.approx(0, abs=0.05)
        assert effort.samples / RATE_HZ == pytest.approx(20, abs=0.05)
    # Seconds 30 to 31 after the start are seconds 10 to 11 of UTC's minute.
    assert [event.start_utc.timestamp() % 60 for event in outcome.events] == [pytest.approx(10, abs=0.25)] * 10


def test_gate_leaves_out_quiet_audio_but_no_call(session: SimulatedSession, tone: Callable[..., FloatArray]) -> None:
    sound = calls_every_minute(tone)
    everything = session.run(600, sound)
    session.path = session.path.with_name("gated.db")
    session.energy = EnergySettings(gate=GateSettings(level_dbfs=-50, low_hz=500, high_hz=3_500, hold_s=5, before_s=2))
    outcome = session.run(600, sound)
    assert outcome.samples(EffortState.ANALYSED, EffortState.GATED) == outcome.device.delivered
    assert 0.8 < outcome.samples(EffortState.GATED) / outcome.device.delivered < 0.9

    def lengths(each: Outcome) -> list[tuple[str, float]]:
        return [(event.label, (event.offset_sample - event.onset_sample) / RATE_HZ) for event in each.events]

    assert [label for label, _ in lengths(outcome)] == [label for label, _ in lengths(everything)]
    assert [s for _, s in lengths(outcome)] == pytest.approx([s for _, s in lengths(everything)], abs=0.2)
    assert session.heartbeats.since_sample_s is not None


def test_silent_microphone_is_a_fault_with_a_gate_too(session: SimulatedSession) -> None:
    session.energy = EnergySettings(gate=GateSettings())
    outcome = session.run(400, sound=lambda _, count: np.zeros(count, np.float32))
    assert NoticeKind.SOUND_FAULT in outcome.notice_kinds()
    assert outcome.samples(EffortState.SILENT) > 380 * RATE_HZ


def test_low_battery_pauses_until_it_is_charged(session: SimulatedSession, tone: Callable[..., FloatArray]) -> None:
    session.energy = EnergySettings(battery=BatterySettings())
    call = calls_every_minute(tone)
    steps = (
        EnergyMode.FULL,
        EnergyMode.COARSE,
        EnergyMode.GATED,
        EnergyMode.PAUSED,
        EnergyMode.PAUSED,
        EnergyMode.COARSE,
        EnergyMode.FULL,
    )

    def sound(first: int, count: int) -> FloatArray:
        session.power_state.mode = steps[min(first // RATE_HZ // 60, 6)]
        return call(first, count)

    outcome = session.run(7 * 60 - 1, sound)
    assert outcome.samples(*EffortState) == outcome.device.delivered
    assert outcome.samples(EffortState.PAUSED) / RATE_HZ == pytest.approx(120, abs=0.2)
    assert 45 < outcome.samples(EffortState.GATED) / RATE_HZ < 60
    assert [event.onset_sample // RATE_HZ // 60 for event in outcome.events] == [0, 1, 2, 5, 6]


def test_missing_portaudio_is_a_source_error(session: SimulatedSession, provenance: Provenance, tmp_path: Path) -> None:
    def no_portaudio(device: object, rate_hz: object) -> Any:
        raise NoPortAudioError("apt install libportaudio2")

    journal = Journal(tmp_path / "journal.db")
    writer = ResultWriter(journal, provenance, lambda _: None, lambda: None)
    with pytest.raises(SourceError, match="libportaudio2"):
        MicrophoneSession(
            writer,
            session.detector,
            AudioSettings(),
            EnergySettings(),
            EnergyState(),
            Stop(),
            Heartbeats(60),
            open_capture=no_portaudio,
            clock=session.clock,
        ).run()
    journal.close()


def test_usb_sound_card_has_its_id(tmp_path: Path) -> None:
    (tmp_path / "card1").mkdir()
    (tmp_path / "card1" / "usbid").write_text("0d8c:0014\n")
    assert usb_id("USB PnP Sound Device: Audio (hw:1,0)", tmp_path) == "0d8c:0014"
    assert usb_id("HDA Intel PCH: ALC255 Analog (hw:0,0)", tmp_path) is None
    assert usb_id("pulse", tmp_path) is None
