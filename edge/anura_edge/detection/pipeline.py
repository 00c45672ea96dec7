"""Connects the stages of the analysis: audio goes in, events and effort come out."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from anura_edge.audio import AudioSource, FloatArray
from anura_edge.detection.detector import Detector
from anura_edge.detection.ledger import PipelineOutput, RecordingLedger
from anura_edge.dsp.gating import AnalysisGate
from anura_edge.errors import UnreadableError
from anura_edge.events import EffortState


def analyse(
    source: AudioSource, detector: Detector, channel: int | Literal["loudest"], gate: AnalysisGate | None = None
) -> Iterator[PipelineOutput]:
    """Analyse a recording to its end. Yield events and effort as they become known.

    With a `gate`, only the audio that it passes is analysed.
    """
    ledger = RecordingLedger(source.recording, detector.bundle, detector.min_range_score)
    segment = SegmentRunner(ledger, detector, gate)
    read_error, end_sample = None, 0
    try:
        for chunk in source.chunks():
            ledger.set_recording(source.recording)
            if chunk.first_sample > end_sample:  # audio was lost, so a new segment begins
                segment.end()
                yield ledger.take_output()
                ledger.skip_to(chunk.first_sample)
            if len(chunk.samples):
                segment.feed(ledger.choose_channel(chunk, channel), source.recording.time_at(chunk.first_sample))
            end_sample = chunk.end_sample
            yield ledger.take_output()
    except UnreadableError as error:
        read_error = error
    segment.end()
    yield ledger.close(read_error)


class SegmentRunner:
    """Runs the detector over one segment after another, and records the effort.

    Audio that the gate leaves out ends a segment. The next one begins with an empty model state, like the first one.
    """

    def __init__(self, ledger: RecordingLedger, detector: Detector, gate: AnalysisGate | None) -> None:
        self._ledger, self._detector, self._gate = ledger, detector, gate
        self._is_open = False

    def feed(self, mono: FloatArray, time: datetime) -> None:
        """Take the next mono samples and the time of the first one."""
        if not self._gate:
            self._take(EffortState.ANALYSED, mono)
            return
        self._detector.set_block(self._gate.block_s)
        for state, part in self._gate.split(mono, time):
            self._take(state, part)

    def end(self) -> None:
        """End the segment."""
        for state, part in self._gate.end() if self._gate else ():
            self._take(state, part)
        self._close()

    def _take(self, state: EffortState, part: FloatArray) -> None:
        if state != EffortState.ANALYSED:
            self._close()
            self._ledger.add_audio(part, state)
            return
        if not self._is_open:
            self._is_open = True
            self._detector.begin(self._ledger.begin_segment())
        detections = self._detector.feed(part)
        self._ledger.add_audio(part, state)
        self._ledger.add_detections(detections)

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._ledger.add_detections(self._detector.end())
