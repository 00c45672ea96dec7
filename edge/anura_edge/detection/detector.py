"""Turns segments of audio into detections: resample, cut into blocks, score, average, track."""

from collections.abc import Iterable, Iterator
from itertools import chain

from anura_edge.audio import FloatArray
from anura_edge.config.analysis import DetectionSettings
from anura_edge.detection.tracker import DetectionTracker, Rule
from anura_edge.dsp.framer import AudioBlock
from anura_edge.dsp.resample import Resampler
from anura_edge.errors import ConfigError
from anura_edge.events import Detection
from anura_edge.inference.averaging import FrameAverager
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.classifier import Classifier, frames_in, make_framer


class Detector:
    """Turns one segment of mono audio after another into detections."""

    def __init__(
        self,
        bundle: Bundle,
        classifier: Classifier,
        settings: DetectionSettings,
        block_s: float,
        *,
        is_live: bool = False,
    ) -> None:
        """`block_s` is the length of a block for the model, in seconds: long for files, short for a microphone.

        Live audio arrives in blocks of that length. It is scored when a block has arrived, even if a frame is missing.
        """
        self.bundle = bundle
        self._rate_hz = bundle.manifest.rate_hz
        self.min_range_score = settings.range
        """Events of a label with a lower range score in their week are left out."""
        self._rules = rules_for(bundle, settings)
        self._framer = make_framer(bundle.manifest, frames_in(bundle.manifest, block_s), slack=int(is_live))
        self._classifier = classifier
        self._block_s = block_s

    def set_block(self, block_s: float) -> None:
        """Change the length of a block for the model, in seconds."""
        if block_s != self._block_s:
            self._block_s = block_s
            self._framer.set_block_frames(frames_in(self.bundle.manifest, block_s))

    def begin(self, rate_hz: int) -> None:
        """Begin a segment with a sampling rate."""
        manifest = self.bundle.manifest
        self._resampler = Resampler(rate_hz, manifest.rate_hz)
        self._tracker = DetectionTracker(self._rules, manifest.hop_samples, manifest.window_samples)
        self._averager = FrameAverager(manifest.averaged_frames)
        self._framer.clear()
        self._classifier.reset()

    def feed(self, samples: FloatArray) -> Iterator[Detection]:
        """Take the next mono samples of the segment. Yield the detections that end."""
        return self._detections(self._framer.feed(self._resampler.feed(samples)))

    def end(self) -> Iterator[Detection]:
        """End the segment. Yield the remaining detections."""
        last = self._framer.feed(self._resampler.flush())
        yield from self._detections(chain(last, self._framer.flush()))
        if scores := self._averager.flush():
            yield from self._tracker.update(scores)
        yield from self._tracker.flush()

    def _detections(self, blocks: Iterable[AudioBlock]) -> Iterator[Detection]:
        for block in blocks:
            yield from self._tracker.update(self._averager.feed(self._classifier.score(block)))


def rules_for(bundle: Bundle, settings: DetectionSettings) -> list[Rule]:
    """Combine the bundle's thresholds with the settings: one rule per label.

    Raises ConfigError if the settings contain a label that the model does not have.
    """
    labels = {label.code: label.threshold_of(settings.preset) for label in bundle.manifest.labels}
    # Keys from environment variables are in lower case, so codes are compared without case.
    codes = {code.casefold(): code for code in labels}
    own = {c if c in labels else codes.get(c.casefold(), c): t for c, t in settings.thresholds.items()}
    if unknown := own.keys() - labels.keys():
        raise ConfigError(f"detect.thresholds: the model has no {sorted(unknown)}; it has {', '.join(labels)}")
    rate_hz = bundle.manifest.rate_hz
    thresholds = [own.get(code, settings.threshold or default) for code, default in labels.items()]
    merge_gap, max_length = round(settings.merge_gap_s * rate_hz), round(settings.max_call_s * rate_hz)
    return [Rule(on, on * settings.release_ratio, merge_gap, max_length) for on in thresholds]
