"""A frog at a virtual microphone is detected and reported."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from support import eventually

from anura_edge.audio import AudioChunk, FloatArray, Recording
from anura_edge.clocks.sample_clock import SystemClock
from anura_edge.config.analysis import DetectionSettings
from anura_edge.demo.card import CLIPS
from anura_edge.detection.detector import Detector
from anura_edge.detection.ledger import PipelineOutput
from anura_edge.detection.pipeline import analyse
from anura_edge.inference.bundle import STREAM_BUNDLE, load_bundle
from anura_edge.inference.loading import load_classifier
from anura_edge.sources.files.open_file import open_file
from anura_edge.sources.microphone.capture_client import CaptureProcess
from anura_edge.sources.microphone.source import MicrophoneSource


@pytest.fixture
def frog(tmp_path: Path) -> Path:
    """A green treefrog for a few seconds, and then nothing."""
    call, rate_hz = sf.read(CLIPS / "HYLCIN_n00.ogg", dtype="float32")
    path = tmp_path / "frog.wav"
    sf.write(path, np.concatenate([call[: 5 * rate_hz] / 4, np.zeros(rate_hz, np.float32)]), rate_hz)
    return path


def test_frog_at_the_microphone_is_detected(pulse: Any, start_device: Callable[..., Any], frog: Path) -> None:
    pulse.start()
    device = start_device("--source", "mic", environment=pulse.environment, AUDIO__MICROPHONE="pulse")
    eventually(lambda: "recording from" in "".join(device.log_lines))
    pulse.play(frog)
    eventually(lambda: any(event["label"] == "HYLCIN" for event in device.events))
    assert device.stop() == 0
    event = next(event for event in device.events if event["label"] == "HYLCIN")
    assert event["clock_source"] == "system"
    assert event["recording_name"] == "pulse"
    assert sum(device.summary["seconds"].values()) >= 6


@dataclass
class SegmentRecorder:
    """A microphone whose audio is recorded: one array for each segment without a gap."""

    sound: MicrophoneSource
    segments: list[tuple[int, list[FloatArray]]] = field(default_factory=list)

    @property
    def recording(self) -> Recording:
        return self.sound.recording

    def chunks(self) -> Iterator[AudioChunk]:
        end = -1
        for chunk in self.sound.chunks():
            if len(chunk.samples):
                if chunk.first_sample != end:
                    self.segments.append((chunk.first_sample, []))
                self.segments[-1][1].append(chunk.samples[:, 0])
                end = chunk.end_sample
            yield chunk


Calls = list[tuple[str, int, int, float]]


def test_microphone_and_card_give_the_same_events(
    pulse: Any, frog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a busy machine loses audio, the comparison treats each segment as a recording of its own."""
    pulse.start()
    for name, value in pulse.environment.items():
        monkeypatch.setenv(name, value)
    bundle, stop = load_bundle(STREAM_BUNDLE), Event()
    clock = SystemClock(trust=True, stop=stop)

    def detector(block_s: float) -> Detector:
        return Detector(bundle, load_classifier(bundle), DetectionSettings(threshold=0.2), block_s)

    def calls(outputs: Iterable[PipelineOutput], first: int = 0) -> Calls:
        events = [event for part in outputs for event in part.events]
        return [(e.label, first + e.onset_sample, first + e.offset_sample, e.p_peak) for e in events]

    def open_capture(device: int | str | None, rate_hz: int | None) -> CaptureProcess:
        return CaptureProcess(device, rate_hz, 0, 0.1, stop)

    with MicrophoneSource("pulse", open_capture, clock, lambda _: None, lambda: None, stop, retry_s=1) as sound:
        assert sound.wait()
        recorded, live = SegmentRecorder(sound), list[PipelineOutput]()
        player = Thread(target=pulse.play, args=(frog,))
        player.start()
        for part in analyse(recorded, detector(0.1), 0):
            live.append(part)
            if not player.is_alive():
                stop.set()
    read = Calls()
    for number, (first, parts) in enumerate(recorded.segments):
        path = tmp_path / f"{number}.wav"
        sf.write(path, np.concatenate(parts), sound.recording.rate_hz, subtype="FLOAT")
        read += calls(analyse(open_file(path, path.name), detector(10.0), 0), first)
    again = ChunkSource(
        sound.recording, [AudioChunk(np.concatenate(p)[:, None], first) for first, p in recorded.segments]
    )
    assert calls(live)
    for found in (calls(live), calls(analyse(again, detector(1.0), 0))):
        assert [call[:3] for call in sorted(found)] == [call[:3] for call in sorted(read)]
        assert [call[3] for call in sorted(found)] == pytest.approx([call[3] for call in sorted(read)], abs=1e-4)


@dataclass
class ChunkSource:
    """The recorded chunks of a microphone as an audio source."""

    recording: Recording
    parts: list[AudioChunk]

    def chunks(self) -> Iterator[AudioChunk]:
        yield from self.parts


def test_silence_is_counted_as_effort(microphone: dict[str, str], start_device: Callable[..., Any]) -> None:
    device = start_device("--source", "mic", environment=microphone, AUDIO__MICROPHONE="pulse")
    eventually(lambda: "recording from" in "".join(device.log_lines))
    assert device.stop() == 0
    assert not device.events
    assert sum(device.summary["seconds"].values()) > 0


def notices(folder: Path) -> list[tuple[str, float | None]]:
    with closing(sqlite3.connect(folder / "device" / "journal.db")) as journal:
        return list(journal.execute("SELECT what, amount FROM notice JOIN outbox USING (id) ORDER BY seq"))


def test_analysis_continues_after_the_sound_server_restarts(
    pulse: Any, start_device: Callable[..., Any], frog: Path, tmp_path: Path
) -> None:
    pulse.start()
    device = start_device("--source", "mic", environment=pulse.environment, AUDIO__MICROPHONE="pulse")
    eventually(lambda: "recording from" in "".join(device.log_lines))
    pulse.play(frog)
    eventually(lambda: device.events)
    before = len(device.events)
    pulse.kill()
    eventually(lambda: ("microphone_lost", None) in notices(tmp_path))
    pulse.start()
    back = eventually(lambda: [amount for what, amount in notices(tmp_path) if what == "microphone_back"])
    pulse.play(frog)
    eventually(lambda: len(device.events) > before)
    assert device.stop() == 0
    assert len({event["recording"] for event in device.events}) == 1, "it is one recording with a gap"
    assert device.events[-1]["onset_sample"] > device.events[0]["offset_sample"]
    assert device.summary["seconds"]["dropped"] == pytest.approx(back[0], abs=1.0)


def test_missing_microphone_is_awaited_and_others_are_listed(
    pulse: Any, start_device: Callable[..., Any], frog: Path, tmp_path: Path
) -> None:
    device = start_device("--source", "mic", environment=pulse.environment, AUDIO__MICROPHONE="pulse")
    eventually(lambda: "disconnected" in "".join(device.log_lines))
    pulse.start()
    eventually(lambda: "recording from" in "".join(device.log_lines))
    pulse.play(frog)
    eventually(lambda: device.events)
    assert device.stop() == 0
    assert device.summary["seconds"]["dropped"] > 0
    assert [what for what, _ in notices(tmp_path)] == ["microphone_lost", "microphone_back"]
    assert "Traceback" not in "".join(device.log_lines)


def test_wrong_microphone_name_lists_the_microphones(
    microphone: dict[str, str], start_device: Callable[..., Any]
) -> None:
    device = start_device("--source", "mic", environment=microphone, AUDIO__MICROPHONE="hydrophone")
    message = eventually(lambda: "".join(device.log_lines))
    assert "no microphone 'hydrophone'" in message
    assert "'pulse'" in message
    assert device.stop() == 0


def test_clip_of_the_frog_is_saved_if_enabled(
    pulse: Any, start_device: Callable[..., Any], frog: Path, tmp_path: Path
) -> None:
    pulse.start()
    device = start_device(
        "--source",
        "mic",
        environment=pulse.environment,
        AUDIO__MICROPHONE="pulse",
        CLIPS__ENABLED="true",
        CLIPS__AFTER_S="0.5",
    )
    eventually(lambda: "recording from" in "".join(device.log_lines))
    pulse.play(frog)
    (path,) = eventually(lambda: [*(tmp_path / "device" / "clips").glob("*HYLCIN*.flac")])
    assert device.stop() == 0
    samples, rate_hz = sf.read(path)
    assert 1 < len(samples) / rate_hz <= 15
    assert np.abs(samples).max() > 0.01
