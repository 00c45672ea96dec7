"""A microphone goes away, loses audio and comes back, its clock is set: every sample and every second has its place."""

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
from anura_edge.dsp.gating import PowerMode, PowerState
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
class Heard:
    """What a journal holds in the end."""

    efforts: list[EffortRow]
    events: list[EventRow]
    notices: list[NoticeRow]
    device: SimulatedMicrophone
    clock: SimulatedClock

    def samples(self, *states: EffortState) -> int:
        return sum(effort.samples for effort in self.efforts if effort.state in states)

    def seconds(self, state: EffortState) -> list[float]:
        """The lengths of all stretches of a state, neighbours in one."""
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

    def told(self) -> list[NoticeKind]:
        return [NoticeKind(notice.what) for notice in self.notices]


@dataclass
class Field:
    """A place to put simulated microphones."""

    detector: Detector
    provenance: Provenance
    path: Path
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(START_UTC_S))
    energy: EnergySettings = field(default_factory=EnergySettings)
    saving: PowerState = field(default_factory=PowerState)
    heartbeats: Heartbeats = field(default_factory=lambda: Heartbeats(60))

    def hear(self, seconds: float, sound: Callable[[int, int], FloatArray] | None = None, **faults: Any) -> Heard:
        """Listen for a while; times of faults are from the start."""
        began_s, stop = self.clock.monotonic_s, Stop()
        for name in ("away", "overflows", "backlogs"):
            faults[name] = [(began_s + at, began_s + to if name == "away" else to) for at, to in faults.get(name, ())]
        device = SimulatedMicrophone(self.clock, began_s + seconds, stop, sound or faint_noise(), **faults)
        journal = Journal(self.path)
        writer = ResultWriter(journal, self.provenance, lambda _: None, lambda: None)
        MicrophoneSession(
            writer,
            self.detector,
            AudioSettings(block_s=1),
            self.energy,
            self.saving,
            stop,
            self.heartbeats,
            open_capture=device.open,
            clock=self.clock,
        ).run()
        rows = journal.outbox.pending(0, 100_000)
        journal.close()
        efforts = [row for row in rows if isinstance(row, EffortRow)]
        events = [row for row in rows if isinstance(row, EventRow)]
        return Heard(efforts, events, [row for row in rows if isinstance(row, NoticeRow)], device, self.clock)


@pytest.fixture(scope="module")
def detector(detector_for: Callable[..., Detector], stream_bundle: Bundle) -> Detector:
    return detector_for(stream_bundle, block_s=1)


@pytest.fixture
def pond(detector: Detector, provenance: Provenance, tmp_path: Path) -> Field:
    return Field(detector, provenance, tmp_path / "journal.db")


def check_sums(heard: Heard, seconds: float) -> None:
    """Nothing is counted twice, nothing is left out, and what was analysed is what was delivered, to the sample."""
    places = [(effort.first_sample, effort.first_sample + effort.samples) for effort in heard.efforts]
    assert places[0][0] == 0
    assert all(before[1] == after[0] for before, after in pairwise(places))
    analysed = heard.samples(EffortState.ANALYSED, EffortState.SILENT, EffortState.CLIPPED)
    assert analysed == heard.device.delivered
    assert analysed + heard.samples(EffortState.DROPPED) == places[-1][1]
    assert places[-1][1] / RATE_HZ == pytest.approx(seconds, abs=0.3)
    assert len({effort.id for effort in heard.efforts}) == len(heard.efforts)


def test_a_quiet_hour_is_accounted_for_in_rows_that_end_with_the_hour(pond: Field) -> None:
    heard = pond.hear(3_700)
    check_sums(heard, 3_700)
    assert heard.notices == []
    assert len(heard.efforts) in (2, 3)
    assert all(effort.start_utc.minute == effort.start_utc.second == 0 for effort in heard.efforts[1:])
    assert heard.efforts[0].start_utc.timestamp() == pytest.approx(START_UTC_S, abs=0.1)


def test_a_microphone_that_goes_and_comes_back_leaves_a_gap_of_its_length(pond: Field) -> None:
    heard = pond.hear(300, away=[(100, 130.5)])
    check_sums(heard, 300)
    assert heard.told() == [NoticeKind.MICROPHONE_LOST, NoticeKind.MICROPHONE_BACK]
    (gap_s,) = heard.seconds(EffortState.DROPPED)
    assert 30.5 <= gap_s <= 30.5 + 10, "it is back within 10 s"
    assert heard.notices[1].amount == pytest.approx(gap_s)
    assert heard.notices[0].recording == heard.efforts[0].recording
    assert heard.device.openings == 2
    assert len({effort.recording for effort in heard.efforts}) == 1


def test_hours_without_it_are_said_once_and_counted_hour_by_hour(pond: Field) -> None:
    heard = pond.hear(4 * 3_600, away=[(60, 3.5 * 3_600)])
    check_sums(heard, 4 * 3_600)
    assert heard.told() == [NoticeKind.MICROPHONE_LOST, NoticeKind.MICROPHONE_BACK]
    assert sum(effort.state == EffortState.DROPPED for effort in heard.efforts) == 4
    for effort in heard.efforts:
        assert effort.start_utc.minute * 60 + effort.start_utc.second + effort.samples / RATE_HZ <= 3_600.001


def test_one_that_is_not_there_at_the_start_is_waited_for_and_the_time_counts(pond: Field) -> None:
    heard = pond.hear(600, away=[(0, 300)])
    check_sums(heard, 600)
    assert heard.told() == [NoticeKind.MICROPHONE_LOST, NoticeKind.MICROPHONE_BACK]
    assert heard.efforts[0].state == EffortState.DROPPED
    assert 300 <= heard.efforts[0].samples / RATE_HZ <= 310
    assert heard.efforts[0].start_utc.timestamp() == pytest.approx(START_UTC_S, abs=0.1)


def test_a_long_name_is_cut_and_breaks_nothing(pond: Field) -> None:
    heard = pond.hear(60, away=[(0, 20)], name="hydrophone " * 100)
    assert heard.told() == [NoticeKind.MICROPHONE_LOST, NoticeKind.MICROPHONE_BACK]


def test_audio_that_the_driver_lost_is_found_by_the_clock(pond: Field) -> None:
    lost = [(50.0, 0.3), (100.0, 2.0), (150.0, 7.25)]
    heard = pond.hear(300, overflows=lost)
    check_sums(heard, 300)
    assert heard.seconds(EffortState.DROPPED) == pytest.approx([seconds for _, seconds in lost], abs=0.01)


def test_audio_that_we_were_too_slow_for_is_dropped_to_the_sample(pond: Field) -> None:
    heard = pond.hear(100, backlogs=[(40, 5.125)])
    check_sums(heard, 100)
    assert heard.seconds(EffortState.DROPPED) == [5.125]


def test_a_flat_line_is_opened_again_once_and_then_said_and_counted(pond: Field) -> None:
    heard = pond.hear(400, sound=lambda _, count: np.zeros(count, np.float32))
    check_sums(heard, 400)
    assert heard.device.openings == 2
    assert heard.told() == [NoticeKind.MICROPHONE_LOST, NoticeKind.MICROPHONE_BACK, NoticeKind.SOUND_FAULT]
    assert heard.samples(EffortState.SILENT) > 390 * RATE_HZ


def test_a_quartz_that_is_off_moves_no_event_by_more_than_a_tenth_of_a_second(
    pond: Field, tone: Callable[..., FloatArray]
) -> None:
    """After an hour at 150 ppm, counting alone would be half a second off."""
    quiet, call = faint_noise(), tone(RATE_HZ, 1)
    at = 3_600 * RATE_HZ

    def sound(first: int, count: int) -> FloatArray:
        return call[first - at : first - at + count] if at <= first < at + len(call) else quiet(first, count)

    heard = pond.hear(3_630, sound, drift_ppm=-150)
    (event,) = heard.events
    true_s = START_UTC_S + at / (RATE_HZ * (1 - 150e-6))
    assert event.start_utc.timestamp() == pytest.approx(true_s, abs=0.1)
    assert heard.notices == []
    assert heard.samples(EffortState.ANALYSED) == heard.device.delivered


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.generate])
@given(
    steps=st.lists(st.tuples(st.integers(1, 290), st.floats(-YEAR_S, YEAR_S)), max_size=4, unique_by=lambda s: s[0]),
    away=st.lists(st.integers(0, 29), max_size=3, unique=True),
    lost=st.lists(st.tuples(st.integers(1, 290), st.floats(0.2, 9)), max_size=3, unique_by=lambda s: s[0]),
    known=st.booleans(),
)
def test_whatever_happens_no_sample_is_unaccounted_and_no_time_runs_backwards_in_a_row(
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
    pond = Field(detector, provenance, tmp_path_factory.mktemp("pond") / "journal.db", clock)
    call = np.sin(np.arange(800) / 8 * 2 * np.pi).astype(np.float32) / 2
    quiet = faint_noise()

    def sound(first: int, count: int) -> FloatArray:
        return call if first // 8_000 % 7 == 0 else quiet(first, count)

    heard = pond.hear(300, sound, away=[(10 * at, 10 * at + 7) for at in away], backlogs=lost)
    assert heard.samples(EffortState.ANALYSED) == heard.device.delivered
    places = [(effort.first_sample, effort.first_sample + effort.samples) for effort in heard.efforts]
    assert all(before[1] == after[0] for before, after in pairwise(places))
    assert all(event.start_utc <= event.end_utc for event in heard.events)
    assert len({event.id for event in heard.events}) == len(heard.events)
    # No more than there were; those of one second, or of one absence, are seen as one.
    assert heard.told().count(NoticeKind.CLOCK_STEP) <= len(steps)


def test_a_step_of_the_clock_is_told_with_its_amount(pond: Field) -> None:
    pond.clock.plan_step(pond.clock.monotonic_s + 100, -3_600)
    heard = pond.hear(200)
    (step,) = heard.notices
    assert (step.what, step.amount) == (NoticeKind.CLOCK_STEP, pytest.approx(-3_600, abs=0.01))
    before, after = (effort for effort in heard.efforts if effort.samples > RATE_HZ)
    ends_s = before.start_utc.timestamp() + before.samples / RATE_HZ
    assert after.start_utc.timestamp() == pytest.approx(ends_s - 3_600, abs=0.1)


def test_a_machine_without_a_battery_learns_the_time_and_says_by_how_much_it_was_wrong(pond: Field) -> None:
    pond.clock = SimulatedClock(0.0, is_trusted=False)
    pond.clock.plan_step(pond.clock.monotonic_s + 100, START_UTC_S)
    heard = pond.hear(200)
    (known,) = heard.notices
    assert (known.what, known.amount) == (NoticeKind.CLOCK_KNOWN, pytest.approx(START_UTC_S, abs=0.01))
    assert {effort.clock_source for effort in heard.efforts} == {ClockSource.SYSTEM}
    assert heard.efforts[0].start_utc.timestamp() == pytest.approx(START_UTC_S, abs=0.1)


def test_the_time_between_two_runs_is_off(pond: Field) -> None:
    pond.hear(100)
    pond.clock.sleep(7_200)
    heard = pond.hear(100)
    first, off, second = heard.efforts
    assert (off.state, off.recording, off.first_sample) == (EffortState.OFF, first.recording, first.samples)
    assert off.samples / RATE_HZ == pytest.approx(7_200, abs=0.3)
    assert second.recording != first.recording


def test_after_a_kill_the_last_minute_at_most_is_off_instead_of_analysed(
    pond: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill is simulated by an error that nobody catches, in the middle of a block."""

    def killed(first: int, count: int) -> FloatArray:
        if first > 150 * RATE_HZ:
            raise KeyboardInterrupt
        return faint_noise()(first, count)

    with pytest.raises(KeyboardInterrupt):
        pond.hear(300, killed)
    pond.clock.sleep(1_000)
    heard = pond.hear(100)
    first, off, second = heard.efforts
    assert first.state == EffortState.ANALYSED
    assert 80 * RATE_HZ <= first.samples <= 150 * RATE_HZ
    assert first.samples + off.samples == pytest.approx(1_150 * RATE_HZ, abs=RATE_HZ)
    assert off.first_sample == first.samples
    assert second.samples == pytest.approx(100 * RATE_HZ, abs=RATE_HZ)


def calls_every_minute(tone: Callable[..., FloatArray]) -> Callable[[int, int], FloatArray]:
    """A second's call at the half of each minute since the start, and faint noise."""
    quiet, call = faint_noise(amplitude=1e-4), tone(RATE_HZ, 1)

    def sound(first: int, count: int) -> FloatArray:
        at = first % (60 * RATE_HZ) - 30 * RATE_HZ
        return call[at : at + count] if 0 <= at < len(call) else quiet(first, count)

    return sound


def test_a_duty_cycle_listens_in_step_with_utc_and_counts_the_rest_as_paused(
    pond: Field, tone: Callable[..., FloatArray]
) -> None:
    """The start, 1,795,000,000, is 40 s after a full minute."""
    pond.energy = EnergySettings(duty=DutyCycleSettings(on_s=20, period_s=60))
    heard = pond.hear(600, calls_every_minute(tone))
    assert heard.told() == [NoticeKind.ENERGY]
    assert "20 s of every 60 s" in heard.notices[0].detail
    places = [(effort.first_sample, effort.first_sample + effort.samples) for effort in heard.efforts]
    assert all(before[1] == after[0] for before, after in pairwise(places))
    assert heard.samples(*EffortState) == heard.device.delivered
    listened = [effort for effort in heard.efforts if effort.state == EffortState.ANALYSED]
    assert len(listened) == 10
    for effort in listened:
        assert effort.start_utc.timestamp() % 60 == pytest.approx(0, abs=0.05)
        assert effort.samples / RATE_HZ == pytest.approx(20, abs=0.05)
    # Seconds 30 to 31 after the start are seconds 10 to 11 of UTC's minute.
    assert [event.start_utc.timestamp() % 60 for event in heard.events] == [pytest.approx(10, abs=0.25)] * 10


def test_a_gate_leaves_out_what_is_quiet_and_no_call(pond: Field, tone: Callable[..., FloatArray]) -> None:
    sound = calls_every_minute(tone)
    everything = pond.hear(600, sound)
    pond.path = pond.path.with_name("gated.db")
    pond.energy = EnergySettings(gate=GateSettings(level_dbfs=-50, low_hz=500, high_hz=3_500, hold_s=5, before_s=2))
    heard = pond.hear(600, sound)
    assert heard.samples(EffortState.ANALYSED, EffortState.GATED) == heard.device.delivered
    assert 0.8 < heard.samples(EffortState.GATED) / heard.device.delivered < 0.9

    def lengths(said: Heard) -> list[tuple[str, float]]:
        return [(event.label, (event.offset_sample - event.onset_sample) / RATE_HZ) for event in said.events]

    assert [label for label, _ in lengths(heard)] == [label for label, _ in lengths(everything)]
    assert [s for _, s in lengths(heard)] == pytest.approx([s for _, s in lengths(everything)], abs=0.2)
    assert pond.heartbeats.since_sample_s is not None


def test_a_dead_microphone_is_silent_behind_a_gate_too(pond: Field) -> None:
    pond.energy = EnergySettings(gate=GateSettings())
    heard = pond.hear(400, sound=lambda _, count: np.zeros(count, np.float32))
    assert NoticeKind.SOUND_FAULT in heard.told()
    assert heard.samples(EffortState.SILENT) > 380 * RATE_HZ


def test_an_empty_battery_pauses_and_a_fuller_one_hears_on(pond: Field, tone: Callable[..., FloatArray]) -> None:
    pond.energy = EnergySettings(battery=BatterySettings())
    call = calls_every_minute(tone)
    steps = (
        PowerMode.FULL,
        PowerMode.COARSE,
        PowerMode.GATED,
        PowerMode.PAUSED,
        PowerMode.PAUSED,
        PowerMode.COARSE,
        PowerMode.FULL,
    )

    def sound(first: int, count: int) -> FloatArray:
        pond.saving.mode = steps[min(first // RATE_HZ // 60, 6)]
        return call(first, count)

    heard = pond.hear(7 * 60 - 1, sound)
    assert heard.samples(*EffortState) == heard.device.delivered
    assert heard.samples(EffortState.PAUSED) / RATE_HZ == pytest.approx(120, abs=0.2)
    assert 45 < heard.samples(EffortState.GATED) / RATE_HZ < 60
    assert [event.onset_sample // RATE_HZ // 60 for event in heard.events] == [0, 1, 2, 5, 6]


def test_a_machine_that_cannot_hear_at_all_says_so_at_once(pond: Field, provenance: Provenance, tmp_path: Path) -> None:
    def no_portaudio(device: object, rate_hz: object) -> Any:
        raise NoPortAudioError("apt install libportaudio2")

    journal = Journal(tmp_path / "journal.db")
    writer = ResultWriter(journal, provenance, lambda _: None, lambda: None)
    with pytest.raises(SourceError, match="libportaudio2"):
        MicrophoneSession(
            writer,
            pond.detector,
            AudioSettings(),
            EnergySettings(),
            PowerState(),
            Stop(),
            Heartbeats(60),
            open_capture=no_portaudio,
            clock=pond.clock,
        ).run()
    journal.close()


def test_a_usb_sound_card_is_known_by_its_id(tmp_path: Path) -> None:
    (tmp_path / "card1").mkdir()
    (tmp_path / "card1" / "usbid").write_text("0d8c:0014\n")
    assert usb_id("USB PnP Sound Device: Audio (hw:1,0)", tmp_path) == "0d8c:0014"
    assert usb_id("HDA Intel PCH: ALC255 Analog (hw:0,0)", tmp_path) is None
    assert usb_id("pulse", tmp_path) is None
