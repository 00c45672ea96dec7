"""Hears a microphone for as long as the program runs."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from threading import Event
from uuid import uuid4

from anura_edge.audio import ClockSource, Recording
from anura_edge.clips.recorder import ClipRecorder
from anura_edge.clocks.sample_clock import Clock, SystemClock
from anura_edge.config.analysis import AudioSettings
from anura_edge.config.energy import EnergySettings
from anura_edge.detection.detector import Detector
from anura_edge.detection.pipeline import PipelineOutput, analyse
from anura_edge.dsp.gating import PowerGate, PowerState, describe_savings
from anura_edge.dsp.signal_quality import FAULT_S, FaultDetector
from anura_edge.errors import JournalFullError
from anura_edge.events import Effort, EffortState, Notice, NoticeKind, effort_id
from anura_edge.health.heartbeats import Heartbeats, Stage
from anura_edge.sources.microphone.capture_client import OPENING_S, CaptureOpener
from anura_edge.sources.microphone.reconnect import SILENT_DRIVER_S, OpenCapture
from anura_edge.sources.microphone.source import MicrophoneSource
from anura_edge.store.writer import ResultWriter
from anura_edge.wire import EffortRow

log = logging.getLogger(__name__)


class MicrophoneSession:
    """Listens to one microphone."""

    def __init__(
        self,
        writer: ResultWriter,
        detector: Detector,
        audio: AudioSettings,
        energy: EnergySettings,
        saving: PowerState,
        stop: Event,
        heartbeats: Heartbeats,
        clips: ClipRecorder | None = None,
        open_capture: OpenCapture | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Publish what the run before this one had no time to account for.

        `saving` says how much the battery allows. `clips` are saved if there is somebody to do that; `open_capture` and
        `clock` stand in for the real device and the real time.
        """
        self._heartbeats, self._clips = heartbeats, clips
        self._writer, self._detector, self._audio, self._stop = writer, detector, audio, stop
        self._energy, self._saving = energy, saving
        # A microphone that is away is tried again here: to start the whole program again would not bring it back.
        self._beat = partial(heartbeats.record, Stage.INPUT, audio.retry_s + OPENING_S + SILENT_DRIVER_S)
        self._channel = audio.live_channel
        self._open_capture = open_capture or CaptureOpener(self._channel, audio.block_s, stop).open
        self._clock = clock or SystemClock(audio.trust_clock, stop)
        self._ended_before = self._close_books()

    def hear(self) -> None:
        """Listen until told to stop, whatever the microphone does meanwhile.

        Raises SourceError if this machine cannot hear at all.
        """
        audio = self._audio
        with MicrophoneSource(
            *(audio.microphone, self._open_capture, self._clock, self._writer.notice),
            *(self._beat, self._stop, audio.retry_s),
        ) as sound:
            if not sound.wait():
                return
            recording = sound.recording
            log.info("listening to %s at %d Hz", recording.name, recording.rate_hz)
            if recording.clock_source == ClockSource.UNKNOWN:
                log.warning("nobody keeps this machine's clock: times are a guess until NTP does (audio.trust_clock)")
            self._faults = FaultDetector(recording.rate_hz)
            if left_out := describe_savings(self._energy):
                self._tell(NoticeKind.ENERGY, left_out, recording)
            began, newest = time.monotonic(), None
            attention = PowerGate(self._energy, self._saving, recording.rate_hz, audio.block_s)
            heard_by_all = self._clips.tap(sound, self._channel) if self._clips else sound
            for heard in analyse(heard_by_all, self._detector, self._channel, attention):
                if sound.last_block is not newest:  # it has come, whether the model hears it or not
                    newest = sound.last_block
                    self._heartbeats.record_samples()
                self._take(heard, sound.recording)
                self._heartbeats.overflows, self._heartbeats.drift_ppm = sound.overflows, sound.drift_ppm
            self._writer.summary.new += 1
            self._writer.summary.elapsed_s += time.monotonic() - began

    def _close_books(self) -> EffortRow | None:
        try:
            return self._writer.journal.finalise_open_effort()
        except JournalFullError:
            return None  # they wait for the next run

    def _take(self, heard: PipelineOutput, recording: Recording) -> None:
        for state, samples in heard.quality:
            if self._faults.note(state, samples):
                self._tell_fault(state, recording)
        if self._ended_before and recording.clock_source == ClockSource.SYSTEM:
            heard = replace(heard, efforts=(*heard.efforts, *self._off(self._ended_before, recording)))
            self._ended_before = None
        if heard.events or heard.efforts or heard.progress is not None:
            self._writer.keep([heard])

    def _off(self, end: EffortRow, recording: Recording) -> Iterator[Effort]:
        """Account for the time between the end of the recording before and the start of this one."""
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

    def _tell_fault(self, state: EffortState, recording: Recording) -> None:
        detail = f"{recording.name} has been {state} for {FAULT_S / 60:g} minutes; look at its cable and its gain"
        self._tell(NoticeKind.SOUND_FAULT, detail, recording)

    def _tell(self, what: NoticeKind, detail: str, recording: Recording) -> None:
        log.warning(detail)
        utc = datetime.fromtimestamp(self._clock.read().utc_s, UTC)
        self._writer.notice(Notice(uuid4(), what, utc, detail, recording.id))
