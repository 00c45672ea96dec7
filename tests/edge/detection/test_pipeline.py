"""Events and effort of a recording are stable and complete, and lost audio is counted."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anura_edge.audio import AudioChunk, FloatArray
from anura_edge.detection.detector import Detector
from anura_edge.detection.ledger import PipelineOutput
from anura_edge.detection.pipeline import analyse
from anura_edge.errors import UnreadableError
from anura_edge.events import Effort, EffortState, Event
from anura_edge.inference.bundle import Bundle
from anura_edge.wire import Provenance, effort_row, event_row

MakeSource = Callable[..., Any]
TwoCalls = Callable[..., FloatArray]
ANALYSED, DROPPED, UNREADABLE = EffortState.ANALYSED, EffortState.DROPPED, EffortState.UNREADABLE


@pytest.fixture(scope="module")
def detector(detector_for: Callable[..., Detector], stream_bundle: Bundle) -> Detector:
    return detector_for(stream_bundle, block_s=1)


def analyse_all(
    source: Any, detector: Detector, channel: int | Literal["loudest"] = "loudest"
) -> tuple[list[Event], list[Effort], list[PipelineOutput]]:
    outputs = list(analyse(source, detector, channel))
    events = [event for output in outputs for event in output.events]
    efforts = [effort for output in outputs for effort in output.efforts]
    assert len({event.id for event in events}) == len(events)
    assert len({effort.id for effort in efforts}) == len(efforts)
    for event in events:
        assert event.onset_sample <= event.offset_sample
        assert event.start_utc == source.recording.time_at(event.onset_sample)
        assert event.end_utc == source.recording.time_at(event.offset_sample)
    return events, efforts, outputs


def spans_of(efforts: list[Effort]) -> list[tuple[EffortState, int, int]]:
    return [(effort.state, effort.first_sample, effort.samples) for effort in efforts]


def test_recording_becomes_events_and_effort(make_source: MakeSource, two_calls: TwoCalls, detector: Detector) -> None:
    source = make_source(two_calls())
    (low, high), (effort,), outputs = analyse_all(source, detector)
    assert (low.label, low.scientific_name) == ("LOW", "Tonus gravis")
    assert (high.label, high.scientific_name) == ("HIGH", "Tonus acutus")
    assert (low.onset_sample, high.onset_sample) == (16_000, 48_000)
    assert spans_of([effort]) == [(ANALYSED, 0, 80_000)]
    assert effort.seconds == 10
    for row in (low, high, effort):
        assert row.recording == source.recording.id
        assert row.recording_name == "recording.wav"
        assert row.rate_hz == 8_000
    assert all(output.read_error is None for output in outputs)


@settings(max_examples=20)
@given(st.sampled_from([8_000, 11_025, 24_000]), st.integers(500, 300_000))
def test_events_do_not_depend_on_chunks(
    make_source: MakeSource, two_calls: TwoCalls, detector: Detector, rate_hz: int, chunk: int
) -> None:
    expected, effort, _ = analyse_all(make_source(two_calls(rate_hz), rate_hz, 10**7), detector)
    found, found_effort, _ = analyse_all(make_source(two_calls(rate_hz), rate_hz, chunk), detector)
    assert [(e.id, e.onset_sample, e.offset_sample) for e in found] == [
        (e.id, e.onset_sample, e.offset_sample) for e in expected
    ]
    assert found_effort == effort


def test_ids_depend_on_the_model_only(
    make_source: MakeSource,
    two_calls: TwoCalls,
    detector_for: Callable[..., Detector],
    stream_bundle: Bundle,
    window_bundle: Bundle,
) -> None:
    ids = [
        {row.id for rows in analyse_all(make_source(two_calls()), detector_for(bundle))[:2] for row in rows}
        for bundle in (stream_bundle, stream_bundle, window_bundle)
    ]
    assert ids[0] == ids[1]
    assert not ids[0] & ids[2]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000])
def test_each_sampling_rate_gives_the_same_events(
    make_source: MakeSource, two_calls: TwoCalls, detector: Detector, rate_hz: int
) -> None:
    events, efforts, _ = analyse_all(make_source(two_calls(rate_hz), rate_hz, 10 * rate_hz), detector)
    assert [event.label for event in events] == ["LOW", "HIGH"]
    for event, at_s in zip(events, (2, 6), strict=True):
        assert event.onset_sample / rate_hz == pytest.approx(at_s, abs=0.1)
    assert spans_of(efforts) == [(ANALYSED, 0, 10 * rate_hz)]


def test_lost_audio_ends_a_segment_and_is_dropped_effort(
    make_source: MakeSource, tone: Callable[..., FloatArray], detector: Detector
) -> None:
    """The tone has no pause: if the gap were ignored, it would be one event at a wrong time."""
    source = make_source(tone(8_000, 10)[:, None], chunk=8_000, lost=(3, 4))
    events, efforts, _ = analyse_all(source, detector)
    assert [(e.onset_sample, e.offset_sample) for e in events] == [(0, 24_000), (40_000, 80_000)]
    assert spans_of(efforts) == [(ANALYSED, 0, 24_000), (DROPPED, 24_000, 16_000), (ANALYSED, 40_000, 40_000)]


@settings(max_examples=40)
@given(st.sampled_from([8_000, 11_025]), st.integers(100, 30_000), st.sets(st.integers(0, 40)), st.booleans())
def test_effort_adds_up_to_the_samples_for_any_gaps(
    make_source: MakeSource,
    two_calls: TwoCalls,
    detector: Detector,
    rate_hz: int,
    chunk: int,
    lost: set[int],
    live: bool,
) -> None:
    source = make_source(two_calls(rate_hz), rate_hz, chunk, tuple(lost), live=live)
    events, efforts, _ = analyse_all(source, detector)
    end = source.parts[-1].end_sample if source.parts else 0
    analysed = sum(len(output.samples) for output in source.parts)
    total = end if live else 10 * rate_hz
    assert sum(effort.samples for effort in efforts) == total
    assert sum(effort.samples for effort in efforts if effort.state == ANALYSED) == analysed
    places = [(effort.first_sample, effort.first_sample + effort.samples) for effort in efforts]
    assert all(a[1] == b[0] for a, b in pairwise(places))
    assert all(event.offset_sample <= end for event in events)


@settings(max_examples=40)
@given(st.integers(100, 30_000), st.sets(st.integers(0, 40)))
def test_crash_at_any_moment_leaves_each_event_in_analysed_effort(
    make_source: MakeSource, two_calls: TwoCalls, detector: Detector, chunk: int, lost: set[int]
) -> None:
    """Committed are all outputs until then, and the last progress counts as effort."""
    source = make_source(two_calls(8_000), 8_000, chunk, tuple(lost), live=True)
    closed: list[Effort] = []
    progress: tuple[Effort, ...] = ()
    for output in analyse(source, detector, 0):
        closed += output.efforts
        progress = progress if output.progress is None else output.progress
        analysed = np.zeros(11 * 8_000, bool)
        for effort in (*closed, *progress):
            analysed[effort.first_sample : effort.first_sample + effort.samples] |= effort.state == ANALYSED
        for event in output.events:
            assert analysed[event.onset_sample : event.offset_sample].all()


def test_microphone_reports_progress_and_closes_effort_each_hour(
    make_source: MakeSource, tone: Callable[..., FloatArray], detector: Detector
) -> None:
    """The recording starts half an hour before the full hour."""
    source = make_source(np.tile(tone(8_000, 60, amplitude=1e-3), 40)[:, None], chunk=4_000, live=True)
    _, efforts, outputs = analyse_all(source, detector)
    assert [(effort.samples / 8_000, effort.start_utc.minute) for effort in efforts] == [(1_800, 30), (600, 0)]
    progress = [output.progress for output in outputs if output.progress is not None]
    assert len(progress) >= 40
    for *open_effort, end in progress[:-1]:
        assert (end.state, end.samples) == (EffortState.OFF, 0)
        assert sum(effort.samples for effort in open_effort) == end.first_sample % (1_800 * 8_000)
    assert {effort.id for efforts in progress for effort in efforts[:-1]} == {effort.id for effort in efforts}


@pytest.mark.parametrize("live", [False, True])
def test_effort_has_the_level_of_its_audio(
    make_source: MakeSource, tone: Callable[..., FloatArray], detector: Detector, live: bool
) -> None:
    """Of a sine with amplitude 0.01, -43 dBFS. Lost audio has no level."""
    source = make_source(tone(8_000, 60, amplitude=0.01)[:, None], chunk=4_001, lost=(3,), live=live)
    _, efforts, _ = analyse_all(source, detector)
    levels = {effort.state: effort.level_dbfs for effort in efforts}
    assert levels[ANALYSED] == pytest.approx(-43.0, abs=0.05)
    assert levels[DROPPED] is None


def test_set_clock_closes_effort_and_moves_no_sample(
    make_source: MakeSource, tone: Callable[..., FloatArray], detector: Detector
) -> None:
    source = make_source(tone(8_000, 60)[:, None], chunk=8_000, live=True)
    later = replace(source.recording, start_utc=source.recording.start_utc + timedelta(days=365))

    class Set:
        recording = source.recording

        def chunks(self) -> Iterator[AudioChunk]:
            for chunk in source.parts:
                self.recording = source.recording if chunk.first_sample < 160_000 else later
                yield chunk

    outputs = list(analyse(Set(), detector, 0))
    first, second = (effort for output in outputs for effort in output.efforts)
    assert spans_of([first, second]) == [(ANALYSED, 0, 160_000), (ANALYSED, 160_000, 320_000)]
    assert (first.start_utc, second.start_utc) == (source.recording.start_utc, later.time_at(160_000))
    (event,) = (event for output in outputs for event in output.events)
    assert (event.start_utc, event.end_utc) == (later.time_at(0), later.time_at(480_000))


def test_events_before_a_read_error_remain(make_source: MakeSource, two_calls: TwoCalls, detector: Detector) -> None:
    error = UnreadableError("broken_off", "the card was taken out")
    source = make_source(two_calls()[:24_000], chunk=10_000, declared=80_000, read_error=error)
    events, efforts, outputs = analyse_all(source, detector)
    assert [(e.label, e.onset_sample, e.offset_sample) for e in events] == [("LOW", 16_000, 24_000)]
    assert spans_of(efforts) == [(ANALYSED, 0, 24_000), (UNREADABLE, 24_000, 56_000)]
    assert [output.read_error for output in outputs] == [None] * (len(outputs) - 1) + [error]


def test_file_without_a_readable_block_is_unreadable(
    make_source: MakeSource, two_calls: TwoCalls, detector: Detector
) -> None:
    error = UnreadableError("broken_off", "no first block")
    events, efforts, outputs = analyse_all(make_source(two_calls()[:0], declared=80_000, read_error=error), detector)
    assert events == []
    assert spans_of(efforts) == [(UNREADABLE, 0, 80_000)]
    assert outputs[-1].read_error is error


def test_samples_missing_at_the_end_are_unreadable(
    make_source: MakeSource, two_calls: TwoCalls, detector: Detector
) -> None:
    _, efforts, _ = analyse_all(make_source(two_calls()[:50_000], declared=80_000), detector)
    assert spans_of(efforts) == [(ANALYSED, 0, 50_000), (UNREADABLE, 50_000, 30_000)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -3e38])
@pytest.mark.parametrize("channel", [0, "loudest"])
def test_invalid_samples_do_not_affect_later_events(
    make_source: MakeSource, two_calls: TwoCalls, detector: Detector, provenance: Provenance, bad: float, channel: Any
) -> None:
    samples = np.hstack([two_calls(), 1e-3 * two_calls()])
    samples[4_000:4_100] = bad
    events, efforts, _ = analyse_all(make_source(samples, chunk=8_000), detector, channel)
    assert [event.label for event in events if event.onset_sample > 8_000] == ["LOW", "HIGH"]
    for seq, event in enumerate(events):
        assert event_row(seq, event, provenance), "it is valid on the wire"
    assert effort_row(0, efforts[0], provenance)


def test_channel_of_nan_is_not_the_loudest(make_source: MakeSource, two_calls: TwoCalls, detector: Detector) -> None:
    samples = np.hstack([np.full((80_000, 1), np.nan, np.float32), two_calls()])
    assert [event.label for event in analyse_all(make_source(samples), detector)[0]] == ["LOW", "HIGH"]


def test_selected_channel_is_analysed(
    make_source: MakeSource, tone: Callable[..., FloatArray], detector: Detector
) -> None:
    low, high = tone(8_000, 2, 1_000, 0.2), tone(8_000, 2, 2_500, 0.4)
    source = make_source(np.stack([low, high], axis=1), chunk=1_000)
    analysed = {channel: analyse_all(source, detector, channel)[0] for channel in (0, 1, "loudest")}
    named = {channel: [(event.label, event.channel) for event in events] for channel, events in analysed.items()}
    assert named == {0: [("LOW", 0)], 1: [("HIGH", 1)], "loudest": [("HIGH", 1)]}


def test_missing_channel_falls_back_to_the_last(
    make_source: MakeSource, two_calls: TwoCalls, detector: Detector
) -> None:
    assert len(analyse_all(make_source(two_calls()), detector, 1)[0]) == 2


def test_channel_is_chosen_once_per_recording(
    make_source: MakeSource, tone: Callable[..., FloatArray], detector: Detector
) -> None:
    """A change inside the recording would be a click, and one call with two levels."""
    quiet, loud = tone(8_000, 2, amplitude=0.2), tone(8_000, 2, amplitude=0.4)
    left, right = np.concatenate([loud, quiet]), np.concatenate([quiet, loud])
    (event,), _, _ = analyse_all(make_source(np.stack([left, right], axis=1), chunk=8_000), detector)
    assert event.level_dbfs == pytest.approx(10 * np.log10((0.4**2 + 0.2**2) / 4), abs=0.1)


@pytest.mark.parametrize("rate_hz", [4_000, 11_025, 44_100, 96_000])
def test_click_in_the_last_sample_is_inside_the_recording(
    make_source: MakeSource, detector_for: Callable[..., Detector], bundle: Bundle, rate_hz: int
) -> None:
    detector = detector_for(bundle, threshold=1e-9)
    # The first frames of this model describe audio before the recording.
    first_frame = bundle.manifest.lookahead_samples // bundle.manifest.hop_samples
    for frames in (0, 1, 11):
        for more in range(-3, 4):
            samples = np.zeros((max(1, round(frames * 0.1 * rate_hz) + more), 1), np.float32)
            samples[-1:] = 1.0
            events = analyse_all(make_source(samples, rate_hz), detector)[0]
            assert events or frames <= first_frame
            assert all(0 <= event.onset_sample < event.offset_sample <= len(samples) for event in events)
