"""Training examples made of recordings: a frog somewhere in a background, near or far, loud or faint; or no frog."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from scipy.signal import butter, sosfilt

from anura_edge.audio import FloatArray
from anura_train.batches.loader import Batch, MapFunction
from anura_train.recipe import AugmentSettings, Range

SHORTEST_CALL_S = 2.0
"""A shorter piece of a weakly labelled recording may well hold no call."""

MOMENTS_A_SECOND = 10
"""So finely an example says where a frog was put."""

SYNTHETIC_SHARE = 0.2
"""Share of backgrounds that are noise of a random colour, or digital silence, which devices make."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceAudio:
    """All recordings that a model may learn from."""

    calls: Sequence[FloatArray]
    """Frog recordings, each (samples,); a CachedAudio decodes one when it is asked for."""
    codes: tuple[tuple[str, ...], ...]
    """The species in each."""
    backgrounds: Sequence[FloatArray]
    labels: tuple[str, ...]
    rate_hz: int

    def target(self, *codes: str) -> FloatArray:
        """Return the label vector (labels,) of some species; one that is no label counts as none."""
        return np.array([label in codes for label in self.labels], np.float32)


class Mixer:
    """Makes examples, one after the other, from a seeded generator."""

    def __init__(
        self, sounds: SourceAudio, settings: AugmentSettings, example_s: float, rng: np.random.Generator
    ) -> None:
        self.sounds, self.settings, self.rng = sounds, settings, rng
        self.length = round(example_s * sounds.rate_hz)
        self.edges = np.linspace(0, self.length, MOMENTS_A_SECOND * max(1, round(example_s)) + 1)
        """Between an example's moments, in samples."""
        self.codes = sorted({code for codes in sounds.codes for code in codes})
        self.callers = {code: [at for at, codes in enumerate(sounds.codes) if code in codes] for code in self.codes}

    @property
    def epoch(self) -> int:
        """Each recording once."""
        return len(self.sounds.calls) + len(self.sounds.backgrounds)

    @property
    def prevalence(self) -> FloatArray:
        """Share of examples with each label, as many for each species."""
        share = (1 - self.settings.background_only) * (1 + self.settings.two_species) / len(self.codes)
        return self.sounds.target(*self.codes) * np.float32(share)

    def batch(self, step: int, size: int, run: MapFunction = map) -> Batch:  # noqa: ARG002  # each step is as likely as any other
        """Return the examples of a step, one after the other: what is drawn depends on how long sounds are."""
        waveforms, targets, calling = zip(*(self.example() for _ in range(size)), strict=True)
        return Batch(np.stack(waveforms), np.stack(targets), calling=np.stack(calling))

    def example(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return one waveform (samples,), its target (labels,), and at which moments a frog may call, (moments,)."""
        if self.rng.random() < self.settings.background_only:
            return self._level(self._background()), self.sounds.target(), np.zeros(len(self.edges) - 1, np.float32)
        waveform, codes, calling = self._call(str(self.rng.choice(self.codes)))
        if self.rng.random() < self.settings.two_species:
            second, others, also = self._call(str(self.rng.choice(self.codes)))
            waveform, codes = _mix_at_ratio(waveform, second, self.rng.uniform(-6, 6)), codes + others
            calling = np.maximum(calling, also)
        if self.rng.random() < self.settings.with_background:
            waveform = _mix_at_ratio(waveform, self._background(), self._within(self.settings.snr_db))
        return self._level(waveform), self.sounds.target(*codes), calling

    def _call(self, code: str) -> tuple[FloatArray, tuple[str, ...], FloatArray]:
        """Return an example's length with a piece of one recording of a species in it, its start anywhere.

        And the species in that recording, for there may be more than the one asked for, and the moments that it
        reaches into.
        """
        callers = self.callers[code]
        chosen = callers[self.rng.integers(len(callers))]
        recording, codes = self.sounds.calls[chosen], self.sounds.codes[chosen]
        shortest = min(round(SHORTEST_CALL_S * self.sounds.rate_hz), self.length)
        # Half of the pieces fill the example; the others begin or end within it, so that onsets are learnt.
        wanted = self.length if self.rng.random() < 0.5 else int(self.rng.integers(shortest, self.length + 1))
        piece = self._dull(self._speed(self._crop(recording, wanted)))[: self.length]
        waveform = np.zeros(self.length, np.float32)
        start = int(self.rng.integers(self.length - len(piece) + 1))
        waveform[start : start + len(piece)] = piece
        reached = (self.edges[1:] > start) & (self.edges[:-1] < start + len(piece))
        return waveform, codes, reached.astype(np.float32)

    def _background(self) -> FloatArray:
        if self.rng.random() < SYNTHETIC_SHARE or not self.sounds.backgrounds:
            return self._noise()
        recording = self.sounds.backgrounds[int(self.rng.integers(len(self.sounds.backgrounds)))]
        piece = self._crop(recording, self.length)
        return np.resize(piece, self.length)

    def _noise(self) -> FloatArray:
        """Return noise whose power falls as 1 / f^slope, white to brown, or now and then silence."""
        if self.rng.random() < 0.1:
            return np.zeros(self.length, np.float32)
        spectrum = np.fft.rfft(self.rng.standard_normal(self.length))
        spectrum[1:] *= np.arange(1, len(spectrum)) ** (-self.rng.uniform(0, 2) / 2)
        noise = np.fft.irfft(spectrum, self.length)
        return np.asarray(noise / noise.std(), np.float32)

    def _crop(self, recording: FloatArray, length: int) -> FloatArray:
        start = int(self.rng.integers(max(len(recording) - length, 0) + 1))
        return recording[start : start + length]

    def _speed(self, piece: FloatArray) -> FloatArray:
        factor = self._within(self.settings.speed)
        return np.asarray(soxr.resample(piece, self.sounds.rate_hz, self.sounds.rate_hz / factor, "LQ"), np.float32)

    def _dull(self, piece: FloatArray) -> FloatArray:
        if self.rng.random() >= self.settings.low_pass:
            return piece
        corner_hz = float(np.exp(self.rng.uniform(np.log(2_500), np.log(9_000))))
        filtered = sosfilt(butter(2, corner_hz, fs=self.sounds.rate_hz, output="sos"), piece)
        return np.asarray(filtered, np.float32)

    def _level(self, waveform: FloatArray) -> FloatArray:
        """Bring to a random level, cut at full scale as a recorder does."""
        level_db = self._within(self.settings.level_dbfs)
        scaled = waveform * (10 ** (level_db / 20) / max(_rms(waveform), 1e-7))
        return np.asarray(np.clip(scaled, -1, 1), np.float32)

    def _within(self, bounds: Range) -> float:
        return float(self.rng.uniform(*bounds))


def _mix_at_ratio(first: FloatArray, second: FloatArray, ratio_db: float) -> FloatArray:
    """Add two sounds so that the first has `ratio_db` more power where both have any."""
    gain = _rms(first) / max(_rms(second), 1e-7) * 10 ** (-ratio_db / 20)
    return (first + second * np.float32(gain)).astype(np.float32)


def _rms(waveform: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(waveform))))
