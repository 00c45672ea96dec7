"""Speed of the analysis and the share of each stage, with the demo card: `make bench`.

Prints, for a model of each kind, times real time on one core, the share of each stage, and the peak memory. Each model
runs in its own process. Compare the two kinds within one run, because absolute figures depend on the machine.

The window model is the ResNet18 of `make models` if build/models has it. Otherwise it has untrained weights: its speed
is the same, and its events are not used.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from anura_edge.app.scan_files import BLOCK_S
from anura_edge.audio import AudioChunk, FloatArray, Recording
from anura_edge.config.analysis import DetectionSettings
from anura_edge.demo.card import write_card
from anura_edge.detection.detector import Detector
from anura_edge.detection.pipeline import analyse
from anura_edge.dsp.framer import AudioBlock
from anura_edge.dsp.resample import Resampler
from anura_edge.events import Scores
from anura_edge.inference.bundle import STREAM_BUNDLE, load_bundle
from anura_edge.inference.classifier import Classifier
from anura_edge.inference.loading import load_classifier
from anura_edge.sources.files.audio_file import AudioFile
from anura_edge.sources.files.open_file import open_file

ROUNDS = 5
TRAINED_WINDOW = Path("build/models/resnet18")
Seconds = defaultdict[str, float]


class TimedSound:
    """A file that measures the time of reading."""

    def __init__(self, sound: AudioFile, spent: Seconds) -> None:
        self._sound, self._spent = sound, spent
        self.recording: Recording = sound.recording

    def chunks(self) -> Iterator[AudioChunk]:
        chunks = self._sound.chunks()
        while True:
            began = time.perf_counter()
            chunk = next(chunks, None)
            self._spent["read"] += time.perf_counter() - began
            if chunk is None:
                return
            yield chunk


class TimedClassifier:
    """A classifier that measures the time of scoring."""

    def __init__(self, classifier: Classifier, spent: Seconds) -> None:
        self._classifier, self._spent = classifier, spent
        self.reset = classifier.reset

    def score(self, window: AudioBlock) -> Scores:
        began = time.perf_counter()
        scores = self._classifier.score(window)
        self._spent["infer"] += time.perf_counter() - began
        return scores


class TimedResampler(Resampler):
    """A resampler that measures its time."""

    spent: Seconds

    def feed(self, samples: FloatArray) -> FloatArray:
        began = time.perf_counter()
        resampled = super().feed(samples)
        self.spent["resample"] += time.perf_counter() - began
        return resampled


class TimedDetector(Detector):
    """A detector that measures the time of its stages."""

    spent: Seconds

    def begin(self, rate_hz: int) -> None:
        super().begin(rate_hz)
        self._resampler = TimedResampler(rate_hz, self.bundle.manifest.rate_hz)
        self._resampler.spent = self.spent


def measure(path: Path, data: Path) -> dict[str, float | str]:
    """Analyse the card several times with one model. Return the fastest round and this process's peak memory."""
    bundle = load_bundle(path)
    classifier = load_classifier(bundle)
    rounds = [_round(bundle.path, classifier, data) for _ in range(ROUNDS)]
    fastest = min(rounds, key=lambda spent: spent["total"])
    # Not getrusage: its peak includes the parent process.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return {"model": f"{bundle.manifest.id} ({bundle.manifest.kind})", **fastest, "peak_mb": int(peak) / 1024}


def _round(path: Path, classifier: Classifier, data: Path) -> dict[str, float]:
    spent: Seconds = defaultdict(float)
    detector = TimedDetector(load_bundle(path), TimedClassifier(classifier, spent), DetectionSettings(), BLOCK_S)
    detector.spent = spent
    audio_s = 0.0
    began = time.perf_counter()
    for file in sorted(data.iterdir()):
        if file.stat().st_size:
            sound = TimedSound(open_file(file, file.name), spent)
            audio_s += sum(e.seconds for heard in analyse(sound, detector, "loudest") for e in heard.efforts)
    total = time.perf_counter() - began
    rest = total - sum(spent.values())
    return {**spent, "rest": rest, "total": total, "audio_s": audio_s}


def _window_bundle(folder: Path) -> Path:
    if TRAINED_WINDOW.exists():
        return TRAINED_WINDOW
    from anura_export.bundles.untrained import untrained_window_bundle

    return untrained_window_bundle(folder / "resnet18-untrained")


def _measure_in_process(bundle: Path, data: Path) -> dict[str, float]:
    command = [sys.executable, __file__, str(bundle), str(data)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return result


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        data = write_card(Path(folder))
        bundles = [STREAM_BUNDLE, _window_bundle(Path(folder))]
        results = [_measure_in_process(bundle, data) for bundle in bundles]
    print("| model | x real time | read | resample | infer | rest | peak RSS |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for r in results:
        shares = " | ".join(f"{r[stage] / r['total']:.0%}" for stage in ("read", "resample", "infer", "rest"))
        print(f"| {r['model']} | {r['audio_s'] / r['total']:,.0f} | {shares} | {r['peak_mb']:.0f} MB |")
    stream, window = results
    print(
        f"\nThe stream model is {window['total'] / stream['total']:.1f} times as fast as the window model (one thread)."
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(Path(sys.argv[1]), Path(sys.argv[2]))))
    else:
        main()
