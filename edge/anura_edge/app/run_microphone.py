"""Analyses one microphone for as long as the program runs."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from threading import Event
from uuid import uuid4

from anura_edge.audio import ClockSource, Recording
from anura_edge.clips.clip_writer import ClipWriter
from anura_edge.clocks.sample_clock import Clock, SystemClock
from anura_edge.config.analysis import AudioSettings
from anura_edge.config.energy import EnergySettings
from anura_edge.detection.detector import Detector
from anura_edge.detection.ledger import PipelineOutput
from anura_edge.detection.pipeline import analyse
from anura_edge.dsp.gating import AnalysisGate, EnergyState, describe_savings
from anura_edge.dsp.night_schedule import SunPlace
from anura_edge.dsp.signal_quality import FAULT_S, FaultDetector
from anura_edge.errors import JournalFullError
from anura_edge.events import Effort, Notice, NoticeKind, effort_id
from anura_edge.health.heartbeats import Heartbeats, Stage
from anura_edge.sources.microphone.capture_client import OPENING_S, CaptureOpener
from anura_edge.sources.microphone.reconnect import SILENT_DRIVER_S, OpenCapture
from anura_edge.sources.microphone.source import MicrophoneSource
from anura_edge.store.writer import ResultWriter
from anura_edge.wire import EffortRow

log = logging.getLogger(__name__)


class MicrophoneSession:
    """One microphone from the start of the program to its end."""

    def __init__(
        self,
        writer: ResultWriter,
        detector: Detector,
        audio: AudioSettings,
        energy: EnergySettings,
        power_state: EnergyState,
        stop: Event,
        heartbeats: Heartbeats,
        *,
        clips: ClipWriter | None = None,
        place: SunPlace | None = None,
        open_capture: OpenCapture | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Queue the open effort of the last run.

        `power_state` holds what the battery allows, `place` decides when it is night. `open_capture` and `clock`
        simulate a device and its time.
        """
        self._heartbeats, self._clips = heartbeats, clips
        self._writer, self._detector, self._audio, self._stop = writer, detector, audio, stop
        self._energy, self._power_state, self._place = energy, power_state, place
        # A microphone that is away is opened again here: a restart of the program would not bring it back.
        self._heartbeat = partial(heartbeats.record, Stage.INPUT, audio.retry_s + OPENING_S + SILENT_DRIVER_S)
        self._channel = audio.live_channel
        self._open_capture = open_capture or CaptureOpener(self._channel, audio.block_s, stop).open
        self._clock = clock or SystemClock(audio.trust_clock, stop)
        self._last_run_end = self._finalise_open_effort()

    def run(self) -> None:
        """Analyse until `stop` is set. The microphone may be unplugged and plugged in meanwhile.

        Raises SourceError if this machine cannot record at all.
        """
        audio = self._audio
        with MicrophoneSource(
            audio.microphone,
            self._open_capture,
            self._clock,
            self._writer.write_notice,
            self._heartbeat,
            self._stop,
            audio.retry_s,
        ) as microphone:
            if not microphone.wait():
                return
            self._log_start(microphone.recording)
            self._faults = FaultDetector(microphone.recording.rate_hz)
            began_s = time.monotonic()
            self._analyse(microphone)
            self._writer.summary.add_new(time.monotonic() - began_s)

    def _finalise_open_effort(self) -> EffortRow | None:
        try:
            return self._writer.journal.finalise_open_effort()
        except JournalFullError:
            return None  # the next run queues it

    def _log_start(self, recording: Recording) -> None:
        log.info("recording from %s at %d Hz", recording.name, recording.rate_hz)
        if recording.clock_source == ClockSource.UNKNOWN:
            log.warning("this machine's clock is not set: times are a guess until NTP sets it (audio.trust_clock)")
        if omitted := describe_savings(self._energy):
            self._notify(NoticeKind.ENERGY, omitted, recording)

    def _analyse(self, microphone: MicrophoneSource) -> None:
        rate_hz, block_s = microphone.recording.rate_hz, self._audio.block_s
        gate = AnalysisGate(self._energy, self._power_state, rate_hz, block_s, self._place)
        sound = self._clips.tap(microphone, self._channel) if self._clips else microphone
        last_block = None
        for result in analyse(sound, self._detector, self._channel, gate):
            if microphone.last_block is not last_block:  # audio arrived, whether the model analyses it or not
                last_block = microphone.last_block
                self._heartbeats.record_input()
            self._write(result, microphone.recording)
            self._heartbeats.overflows, self._heartbeats.drift_ppm = microphone.overflows, microphone.drift_ppm

    def _write(self, result: PipelineOutput, recording: Recording) -> None:
        for period in result.quality:
            if self._faults.update(period.state, period.samples):
                fault = f"{recording.name} has been {period.state} for {FAULT_S / 60:g} minutes"
                detail = f"{fault}; check its cable and its gain"
                self._notify(NoticeKind.SOUND_FAULT, detail, recording)
        if self._last_run_end and recording.clock_source == ClockSource.SYSTEM:
            result = replace(result, efforts=(*result.efforts, *self._time_off(self._last_run_end, recording)))
            self._last_run_end = None
        if result.events or result.efforts or result.progress is not None:
            self._writer.write([result])

    def _time_off(self, end: EffortRow, recording: Recording) -> Iterator[Effort]:
        """Yield the effort between the end of the recording before and the start of this one."""
        samples = round((recording.start_utc - end.start_utc).total_seconds() * end.rate_hz)
        if samples > 0 and end.clock_source == ClockSource.SYSTEM:
            values = {name: getattr(end, name) for name in ("recording", "first_sample", "state")}
            yield Effort(
                id=effort_id(model_sha256=self._writer.provenance.model_sha256, **values),
                recording_name=end.recording_name,
                samples=samples,
                rate_hz=end.rate_hz,
                start_utc=end.start_utc,
                clock_source=end.clock_source,
                **values,
            )

    def _notify(self, kind: NoticeKind, detail: str, recording: Recording) -> None:
        log.warning(detail)
        utc = datetime.fromtimestamp(self._clock.read().utc_s, UTC)
        self._writer.write_notice(Notice(uuid4(), kind, utc, detail, recording.id))
