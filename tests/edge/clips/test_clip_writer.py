"""Each event of a microphone gets one complete clip, and clips never delay the analysis."""

from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from pathlib import Path
from threading import Event as Flag
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from anura_edge.clips.clip_writer import ClipWriter
from anura_edge.clips.ranking import parse_clip_name
from anura_edge.clips.store import ClipStore
from anura_edge.config.operation import ClipSettings
from anura_edge.system.hardware import Space
from anura_edge.wire import Provenance, event_row

RATE_HZ = 8_000
MAX_CALL_S = 60.0
SECOND = np.float32(1 / 32_767)


@pytest.fixture
def ramp(make_source: Callable[..., Any]) -> Any:
    """Half a minute in chunks of 0.1 s. All samples of second n have the value n."""
    seconds = np.repeat(np.arange(30, dtype=np.float32), RATE_HZ) * SECOND
    return make_source(np.stack([np.zeros_like(seconds), seconds], axis=1), chunk=RATE_HZ // 10, live=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "clips"


@pytest.fixture
def recorder_for(folder: Path) -> Iterator[Callable[..., ClipWriter]]:
    started: list[ClipWriter] = []

    def make(**settings: Any) -> ClipWriter:
        clips = ClipSettings(enabled=True, **settings)
        recorder = ClipWriter(clips, ClipStore(folder, clips, UTC), MAX_CALL_S)
        recorder.start()
        started.append(recorder)
        return recorder

    return make


def seconds_in(path: Path) -> list[int]:
    samples, rate_hz = sf.read(path, dtype="int16")
    assert rate_hz == RATE_HZ
    return [int(n) for n in samples[:: RATE_HZ // 2]]


@pytest.fixture
def call(make_event: Callable[..., Any], provenance: Provenance) -> Callable[..., Any]:
    """Make the row of an event from one second to another of a recording."""

    def make(sound: Any, begin_s: float, end_s: float, **changes: Any) -> Any:
        recording = sound.recording
        onset, offset = round(begin_s * RATE_HZ), round(end_s * RATE_HZ)
        times = {"start_utc": recording.time_at(onset), "end_utc": recording.time_at(offset)}
        event = make_event(onset, recording.id, offset_sample=offset, rate_hz=RATE_HZ, **times, **changes)
        return event_row(1, event, provenance)

    return make


def record(recorder: ClipWriter, sound: Any, calls: dict[float, list[Any]]) -> None:
    """Record a source. `calls` has the events to add after this many seconds."""
    times = sorted(calls)
    for chunk in recorder.tap(sound, channel=1).chunks():
        while times and chunk.end_sample >= times[0] * RATE_HZ:
            for row in calls[times.pop(0)]:
                recorder.add_event(row)
    recorder.stop()


def test_clip_contains_the_call_and_its_margins(
    ramp: Any, folder: Path, recorder_for: Callable[..., ClipWriter], call: Callable[..., Any]
) -> None:
    record(recorder_for(before_s=2, after_s=1), ramp, {12: [call(ramp, 10, 11, p_peak=0.937)]})
    (path,) = folder.iterdir()
    assert seconds_in(path) == [8, 8, 9, 9, 10, 10, 11, 11]
    clip = parse_clip_name(path.name, 0)
    assert clip
    assert clip.utc == ramp.recording.start_utc + timedelta(seconds=8)
    assert clip.scores == (("LOW", 937),)


def test_overlapping_calls_share_one_clip(
    ramp: Any, folder: Path, recorder_for: Callable[..., ClipWriter], call: Callable[..., Any]
) -> None:
    calls = [call(ramp, 5, 6), call(ramp, 7, 8, label="HIGH"), call(ramp, 20, 21)]
    record(recorder_for(before_s=1, after_s=1), ramp, {6: calls[:1], 6.5: calls[1:2], 24: calls[2:]})
    first, second = sorted(folder.iterdir())
    assert seconds_in(first) == [n for second in range(4, 9) for n in (second, second)]
    assert "HIGH-900_LOW-900" in first.name
    assert seconds_in(second) == [19, 19, 20, 20, 21, 21]


def test_clip_is_limited_by_max_s_and_by_the_recording(
    ramp: Any, folder: Path, recorder_for: Callable[..., ClipWriter], call: Callable[..., Any]
) -> None:
    record(recorder_for(max_s=5), ramp, {29: [call(ramp, 1, 20), call(ramp, 28, 29, label="HIGH")]})
    first, last = sorted(folder.iterdir())
    assert len(seconds_in(first)) == 2 * 5
    assert seconds_in(first)[0] == 0
    assert seconds_in(last) == [26, 26, 27, 27, 28, 28, 29, 29]


def test_dropped_audio_is_zeros_of_the_same_length(
    make_source: Callable[..., Any], folder: Path, recorder_for: Callable[..., ClipWriter], call: Callable[..., Any]
) -> None:
    seconds = np.repeat(np.arange(30, dtype=np.float32), RATE_HZ) * SECOND
    broken = make_source(np.stack([seconds, seconds], axis=1), chunk=RATE_HZ, lost=(10, 11), live=True)
    record(recorder_for(before_s=1, after_s=3), broken, {15: [call(broken, 9, 10)]})
    (path,) = folder.iterdir()
    assert seconds_in(path) == [8, 8, 9, 9, 0, 0, 0, 0, 12, 12]


def test_call_of_another_recording_is_ignored(
    ramp: Any, folder: Path, recorder_for: Callable[..., ClipWriter], call: Callable[..., Any]
) -> None:
    record(recorder_for(), ramp, {12: [call(ramp, 10, 11).model_copy(update={"recording": "card"})]})
    assert [*folder.iterdir()] == []


def test_hung_disk_drops_clips_but_no_audio(
    ramp: Any, recorder_for: Callable[..., ClipWriter], call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, disk = Flag(), Flag()

    def hang(*_: object) -> None:
        hangs.set()
        disk.wait(30)

    monkeypatch.setattr(ClipStore, "add", hang)
    recorder = recorder_for(before_s=0, after_s=0.1)
    for n, _ in enumerate(recorder.tap(ramp, 1).chunks()):
        if n % 10 == 0:
            recorder.add_event(call(ramp, n / 10, n / 10 + 0.1))
        if n == 5:  # the first clip is complete: its thread must have taken it from the queue
            assert hangs.wait(30)
    assert recorder.dropped == 30 - 4 - 1  # the queued clips, and the one in the hung write
    disk.set()
    recorder.stop()
    assert recorder.saved == 5


def test_full_disk_drops_the_clip(
    ramp: Any, folder: Path, recorder_for: Callable[..., ClipWriter], call: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    recorder = recorder_for()
    record(recorder, ramp, {12: [call(ramp, 10, 11)]})
    assert (recorder.saved, recorder.dropped, [*folder.iterdir()]) == (0, 1, [])


def test_encoding_error_drops_the_clip_and_is_logged_once(
    ramp: Any, folder: Path, recorder_for: Callable[..., ClipWriter], call: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """FLAC allows no rate of 2 MHz. The encoder's errors are not those of the disk."""
    odd = [call(ramp, n, n + 1).model_copy(update={"rate_hz": 2_000_000}) for n in (5, 15)]
    recorder = recorder_for(before_s=0, after_s=5, max_s=5)
    record(recorder, ramp, {29: [*odd, call(ramp, 28, 29)]})
    assert (recorder.saved, recorder.dropped, len([*folder.iterdir()])) == (1, 2, 1)
    assert caplog.text.count("cannot save a clip") == 1


def test_paused_recorder_saves_nothing(
    ramp: Any, folder: Path, recorder_for: Callable[..., ClipWriter], call: Callable[..., Any]
) -> None:
    recorder = recorder_for()
    recorder.is_paused = True
    record(recorder, ramp, {12: [call(ramp, 10, 11)]})
    assert (recorder.dropped, [*folder.iterdir()]) == (1, [])


def test_best_clips_of_a_night_replace_worse_ones(
    ramp: Any, folder: Path, recorder_for: Callable[..., ClipWriter], call: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(
        "anura_edge.clips.clip_writer.MAX_QUEUED_CLIPS", 100
    )  # the test adds the events of hours in one call
    recorder = recorder_for(before_s=0, after_s=0, best_per_night=2)
    marks = {n + 1.0: [call(ramp, n, n + 1, p_peak=p)] for n, p in enumerate((0.6, 0.7, 0.9, 0.5, 0.8))}
    for chunk in recorder.tap(ramp, 1).chunks():
        for row in marks.pop(chunk.end_sample / RATE_HZ, []):
            recorder.add_event(row)
    recorder.stop()
    assert sorted(path.name.split("_")[1] for path in folder.iterdir()) == ["LOW-800.flac", "LOW-900.flac"]


def test_free_space_removes_clips_but_no_other_files(
    ramp: Any, folder: Path, recorder_for: Callable[..., ClipWriter], call: Callable[..., Any]
) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / "20261120T193002500Z_A-1.part").write_text("torn")
    record(recorder_for(before_s=0, after_s=0), ramp, {n: [call(ramp, n - 2, n - 1)] for n in (3.0, 6.0, 9.0)})
    store = ClipStore(folder, ClipSettings(), UTC)
    assert len(store.clips) == 3
    store.free_space(Space(0, 0))
    assert len(store.clips) == 3
    store.free_space(Space(0, 1))
    assert len(store.clips) == 2
    store.free_space(Space(1, 0))
    assert len(store.clips) == 1
    store.free_space(Space(10**9, 0))
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
