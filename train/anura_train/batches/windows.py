"""Examples as the literature has them: windows of recordings, in turn or drawn, changed a little at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torchaudio.functional import phase_vocoder

from anura_edge.audio import FloatArray
from anura_edge.errors import SourceError
from anura_train.batches.audio_cache import AudioCache
from anura_train.batches.loader import Batch, MapFunction
from anura_train.data import Recording, StrongLabel
from anura_train.data.box_grid import BoxGrid
from anura_train.data.overlay import mix_at_snr
from anura_train.models.window import WINDOW_S
from anura_train.recipe import WindowSettings

STRETCH_WINDOW, STRETCH_HOP = 1_024, 256


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a recording of WINDOW_S seconds."""

    recording: Recording
    start_s: float
    codes: tuple[str, ...]
    """The species in it."""


def cut_windows(recordings: Sequence[Recording], settings: WindowSettings) -> list[Window]:
    """Cut recordings into windows, as many as fit, at least one; SourceError when a file is no sound."""
    return [
        Window(recording, start_s, _codes(recording, start_s, settings.min_overlap_s))
        for recording in recordings
        for start_s in _starts_s(recording, settings.hop_s)
    ]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What chance decided of an example."""

    index: int
    """Of its window."""
    factor: float | None
    """Of its tempo."""
    under: tuple[int, float] | None
    """The window that it is laid over, and by how many decibels it is the louder one."""
    mixed: tuple[int, float] | None
    """The window that it is mixed up with, and its own share."""
    gain_db: float


class WindowExamples:
    """Makes examples of windows: each once an epoch in a new order, or drawn so that every label is as likely."""

    def __init__(
        self,
        windows: Sequence[Window],
        labels: tuple[str, ...],
        settings: WindowSettings,
        library: AudioCache,
        seed: int,
        grid: BoxGrid | None = None,
    ) -> None:
        """`grid` is wanted by networks that learn where in time and pitch a species calls."""
        self.windows, self.labels, self.settings, self.library, self.seed = windows, labels, settings, library, seed
        self.grid = grid
        self.rng = np.random.default_rng(seed)
        self.length = WINDOW_S * library.rate_hz
        self.targets = np.array([[label in each.codes for label in labels] for each in windows], np.float32)
        self.places = np.unique([_site_or_group(each) for each in windows], return_inverse=True)[1]
        without = ~self.targets.any(1, keepdims=True)
        self.kinds = [np.flatnonzero(column) for column in np.hstack([self.targets, without]).T if column.any()]

    @property
    def epoch(self) -> int:
        """Every window once."""
        return len(self.windows)

    @property
    def prevalence(self) -> FloatArray:
        """Share of windows with each label."""
        return np.asarray(self.targets.mean(0), np.float32)

    def batch(self, step: int, size: int, run: MapFunction = map) -> Batch:
        """Return the examples of a step: all that is left to chance is drawn first, then `run` makes them."""
        drawn = self._balanced(size) if self.settings.balanced else self._in_turn(step, size)
        waveforms, targets, cells = zip(*run(self._make, [self._plan(int(index)) for index in drawn]), strict=True)
        return Batch(np.stack(waveforms), np.stack(targets), np.stack(cells) if self.grid else None)

    def plain(self, index: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return a window as it was recorded, (samples,), its target (labels,) and its cells."""
        window = self.windows[index]
        start = round(window.start_s * self.library.rate_hz)
        heard = self.library.piece(window.recording, start, self.length)
        return np.pad(heard, (0, self.length - len(heard))), self.targets[index], self._cells(window)

    def _plan(self, index: int) -> Augmentation:
        settings = self.settings
        factor = float(self.rng.uniform(*settings.stretch_factor)) if self._chance(settings.stretch_share) else None
        under = mixed = None
        if self._chance(settings.overlay_share):
            under = self._elsewhere(index), float(self.rng.uniform(*settings.overlay_snr_db))
        if self._chance(settings.mixup_share):
            mixed = (
                int(self.rng.integers(len(self.windows))),
                float(self.rng.beta(settings.mixup_alpha, settings.mixup_alpha)),
            )
        return Augmentation(index, factor, under, mixed, float(self.rng.uniform(*settings.gain_db)))

    def _make(self, plan: Augmentation) -> tuple[FloatArray, FloatArray, FloatArray]:
        waveform, target, cells = self.plain(plan.index)
        if plan.factor is not None:
            waveform = time_stretch(waveform, plan.factor)
        if plan.under:
            other, others, other_cells = self.plain(plan.under[0])
            waveform, target = mix_at_snr(waveform, other, plan.under[1]), np.maximum(target, others)
            cells = np.maximum(cells, other_cells)
        if plan.mixed:
            other, others, other_cells = self.plain(plan.mixed[0])
            share = np.float32(plan.mixed[1])
            waveform = share * waveform + (1 - share) * other
            target, cells = share * target + (1 - share) * others, share * cells + (1 - share) * other_cells
        gain = np.float32(10 ** (plan.gain_db / 20))
        return np.clip(waveform * gain, -1, 1), target, cells

    def _in_turn(self, step: int, size: int) -> NDArray[np.intp]:
        """Return windows in a new order each epoch; an order follows from the seed and its epoch alone."""
        turns = np.arange((step - 1) * size, step * size)
        epochs = range(turns[0] // self.epoch, turns[-1] // self.epoch + 1)
        order = np.concatenate([np.random.default_rng([self.seed, each]).permutation(self.epoch) for each in epochs])
        return np.asarray(order[turns - epochs[0] * self.epoch])

    def _balanced(self, size: int) -> list[int]:
        """Draw labels, or none, all as likely, and a window of each."""
        kinds = self.kinds
        return [int(self.rng.choice(kinds[self.rng.integers(len(kinds))])) for _ in range(size)]

    def _elsewhere(self, index: int) -> int:
        """Draw a window of another place, so that a species is not learnt by the sound of where it lives."""
        others = np.flatnonzero(self.places != self.places[index])
        return int(self.rng.choice(others)) if len(others) else index

    def _cells(self, window: Window) -> FloatArray:
        if not self.grid:
            return np.zeros(0, np.float32)
        boxes = [each for each in window.recording.strong if each.low_hz is not None and each.high_hz is not None]
        if window.codes and not boxes:
            return self.grid.cells([], self.labels) * np.float32(np.nan)
        inside = [_relative_to_window(each, window.start_s) for each in boxes if _overlap_s(each, window.start_s) > 0]
        return self.grid.cells(inside, self.labels)

    def _chance(self, share: float) -> bool:
        return bool(share) and self.rng.random() < share


def time_stretch(waveform: FloatArray, factor: float) -> FloatArray:
    """Make a sound (samples,) faster by a factor while its pitch stays, and bring it back to its length.

    A phase vocoder (Flanagan and Golden 1966), as librosa's time_stretch.
    """
    window = torch.hann_window(STRETCH_WINDOW)
    advance = torch.linspace(0, torch.pi * STRETCH_HOP, STRETCH_WINDOW // 2 + 1)[:, None]
    heard = torch.stft(torch.from_numpy(waveform), STRETCH_WINDOW, STRETCH_HOP, window=window, return_complex=True)
    changed = torch.istft(phase_vocoder(heard, factor, advance), STRETCH_WINDOW, STRETCH_HOP, window=window).numpy()
    return np.pad(changed[: len(waveform)], (0, max(0, len(waveform) - len(changed))))


def _codes(recording: Recording, start_s: float, min_overlap_s: float) -> tuple[str, ...]:
    """Return the species in a window: those boxed there, and those that are somewhere but were never boxed."""
    boxed = {label.code for label in recording.strong}
    inside = {label.code for label in recording.strong if _overlap_s(label, start_s) > min_overlap_s}
    return tuple(sorted(inside | (set(recording.codes) - boxed)))


def _overlap_s(label: StrongLabel, start_s: float) -> float:
    return min(label.offset_s, start_s + WINDOW_S) - max(label.onset_s, start_s)


def _relative_to_window(label: StrongLabel, start_s: float) -> StrongLabel:
    """Return a label as seconds of a window, cut to it."""
    onset_s, offset_s = max(label.onset_s - start_s, 0.0), min(label.offset_s - start_s, WINDOW_S)
    return StrongLabel(label.code, onset_s, offset_s, label.low_hz, label.high_hz)


def _site_or_group(window: Window) -> str:
    return window.recording.site or window.recording.group


def _starts_s(recording: Recording, hop_s: float) -> list[float]:
    try:
        duration_s = soundfile.info(recording.path).duration
        return [number * hop_s for number in range(1 + max(0, int((duration_s - WINDOW_S) / hop_s)))]
    except (soundfile.LibsndfileError, OSError) as error:
        raise SourceError(f"cannot decode {recording.path}: {error}; copy it again or delete its row") from error
