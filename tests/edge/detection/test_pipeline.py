"""Events and effort of a sound: stable, complete, and honest about what was not heard."""

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
from anura_edge.detection.pipeline import PipelineOutput, analyse
from anura_edge.errors import UnreadableError
from anura_edge.events import Effort, EffortState, Event
from anura_edge.inference.bundle import Bundle
from anura_edge.wire import Provenance, effort_row, event_row

Tape = Callable[..., Any]
TwoCalls = Callable[..., FloatArray]
ANALYSED, DROPPED, UNREADABLE = EffortState.ANALYSED, EffortState.DROPPED, EffortState.UNREADABLE


@pytest.fixture(scope="module")
def detector(detector_for: Callable[..., Detector], stream_bundle: Bundle) -> Detector:
    return detector_for(stream_bundle, block_s=1)


def hear(
    sound: Any, detector: Detector, channel: int | Literal["loudest"] = "loudest"
) -> tuple[list[Event], list[Effort], list[PipelineOutput]]:
    parts = list(analyse(sound, detector, channel))
    events = [event for part in parts for event in part.events]
    efforts = [effort for part in parts for effort in part.efforts]
    assert len({event.id for event in events}) == len(events)
    assert len({effort.id for effort in efforts}) == len(efforts)
    for event in events:
        assert event.onset_sample <= event.offset_sample
        assert event.start_utc == sound.recording.time_at(event.onset_sample)
        assert event.end_utc == sound.recording.time_at(event.offset_sample)
    return events, efforts, parts


def stretches(efforts: list[Effort]) -> list[tuple[EffortState, int, int]]:
    return [(effort.state, effort.first_sample, effort.samples) for effort in efforts]


def test_a_sound_becomes_named_events_and_its_whole_length_effort(
    tape: Tape, two_calls: TwoCalls, detector: Detector
) -> None:
    sound = tape(two_calls())
    (low, high), (effort,), parts = hear(sound, detector)
    assert (low.label, low.scientific_name) == ("LOW", "Tonus gravis")
    assert (high.label, high.scientific_name) == ("HIGH", "Tonus acutus")
    assert (low.onset_sample, high.onset_sample) == (16_000, 48_000)
    assert stretches([effort]) == [(ANALYSED, 0, 80_000)]
    assert effort.seconds == 10
    for row in (low, high, effort):
        assert row.recording == sound.recording.id
        assert row.recording_name == "tape.wav"
        assert row.rate_hz == 8_000
    assert all(part.read_error is None for part in parts)


@settings(max_examples=20)
@given(st.sampled_from([8_000, 11_025, 24_000]), st.integers(500, 300_000))
def test_events_do_not_depend_on_the_size_of_chunks(
    tape: Tape, two_calls: TwoCalls, detector: Detector, rate_hz: int, chunk: int
) -> None:
    whole, effort, _ = hear(tape(two_calls(rate_hz), rate_hz, 10**7), detector)
    found, found_effort, _ = hear(tape(two_calls(rate_hz), rate_hz, chunk), detector)
    assert [(e.id, e.onset_sample, e.offset_sample) for e in found] == [
        (e.id, e.onset_sample, e.offset_sample) for e in whole
    ]
    assert found_effort == effort


def test_ids_are_the_same_in_every_run_and_others_for_other_models(
    tape: Tape,
    two_calls: TwoCalls,
    detector_for: Callable[..., Detector],
    stream_bundle: Bundle,
    window_bundle: Bundle,
) -> None:
    ids = [
        {row.id for rows in hear(tape(two_calls()), detector_for(bundle))[:2] for row in rows}
        for bundle in (stream_bundle, stream_bundle, window_bundle)
    ]
    assert ids[0] == ids[1]
    assert not ids[0] & ids[2]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000])
def test_each_rate_gives_events_at_the_same_seconds(
    tape: Tape, two_calls: TwoCalls, detector: Detector, rate_hz: int
) -> None:
    events, efforts, _ = hear(tape(two_calls(rate_hz), rate_hz, 10 * rate_hz), detector)
    assert [event.label for event in events] == ["LOW", "HIGH"]
    for event, at_s in zip(events, (2, 6), strict=True):
        assert event.onset_sample / rate_hz == pytest.approx(at_s, abs=0.1)
    assert stretches(efforts) == [(ANALYSED, 0, 10 * rate_hz)]


def test_audio_that_was_lost_parts_two_stretches_and_is_dropped_effort(
    tape: Tape, tone: Callable[..., FloatArray], detector: Detector
) -> None:
    """A tone all the way through: were the gap closed over, it would be one call at the wrong place."""
    sound = tape(tone(8_000, 10)[:, None], chunk=8_000, lost=(3, 4))
    events, efforts, _ = hear(sound, detector)
    assert [(e.onset_sample, e.offset_sample) for e in events] == [(0, 24_000), (40_000, 80_000)]
    assert stretches(efforts) == [(ANALYSED, 0, 24_000), (DROPPED, 24_000, 16_000), (ANALYSED, 40_000, 40_000)]


@settings(max_examples=40)
@given(st.sampled_from([8_000, 11_025]), st.integers(100, 30_000), st.sets(st.integers(0, 40)), st.booleans())
def test_effort_adds_up_to_the_samples_for_any_gaps(
    tape: Tape, two_calls: TwoCalls, detector: Detector, rate_hz: int, chunk: int, lost: set[int], live: bool
) -> None:
    sound = tape(two_calls(rate_hz), rate_hz, chunk, tuple(lost), live=live)
    events, efforts, _ = hear(sound, detector)
    end = sound.parts[-1].end_sample if sound.parts else 0
    heard = sum(len(part.samples) for part in sound.parts)
    total = end if live else 10 * rate_hz
    assert sum(effort.samples for effort in efforts) == total
    assert sum(effort.samples for effort in efforts if effort.state == ANALYSED) == heard
    places = [(effort.first_sample, effort.first_sample + effort.samples) for effort in efforts]
    assert all(a[1] == b[0] for a, b in pairwise(places))
    assert all(event.offset_sample <= end for event in events)


def test_a_microphone_says_every_minute_how_far_it_is_and_closes_its_account_with_the_hour(
    tape: Tape, tone: Callable[..., FloatArray], detector: Detector
) -> None:
    """The tape starts half an hour before the hour."""
    sound = tape(np.tile(tone(8_000, 60, amplitude=1e-3), 40)[:, None], chunk=4_000, live=True)
    _, efforts, parts = hear(sound, detector)
    assert [(effort.samples / 8_000, effort.start_utc.minute) for effort in efforts] == [(1_800, 30), (600, 0)]
    progress = [part.progress for part in parts if part.progress is not None]
    assert len(progress) >= 40
    for *growing, end in progress[:-1]:
        assert (end.state, end.samples) == (EffortState.OFF, 0)
        assert sum(effort.samples for effort in growing) == end.first_sample % (1_800 * 8_000)
    assert {effort.id for efforts in progress for effort in efforts[:-1]} == {effort.id for effort in efforts}


def test_a_clock_that_is_set_closes_the_account_and_moves_no_sample(
    tape: Tape, tone: Callable[..., FloatArray], detector: Detector
) -> None:
    sound = tape(tone(8_000, 60)[:, None], chunk=8_000, live=True)
    later = replace(sound.recording, start_utc=sound.recording.start_utc + timedelta(days=365))

    class Set:
        recording = sound.recording

        def chunks(self) -> Iterator[AudioChunk]:
            for chunk in sound.parts:
                self.recording = sound.recording if chunk.first_sample < 160_000 else later
                yield chunk

    parts = list(analyse(Set(), detector, 0))
    first, second = (effort for part in parts for effort in part.efforts)
    assert stretches([first, second]) == [(ANALYSED, 0, 160_000), (ANALYSED, 160_000, 320_000)]
    assert (first.start_utc, second.start_utc) == (sound.recording.start_utc, later.time_at(160_000))
    (event,) = (event for part in parts for event in part.events)
    assert (event.start_utc, event.end_utc) == (later.time_at(0), later.time_at(480_000))


def test_what_was_heard_before_a_break_is_kept_and_the_rest_is_unreadable(
    tape: Tape, two_calls: TwoCalls, detector: Detector
) -> None:
    error = UnreadableError("broken_off", "the card was taken out")
    sound = tape(two_calls()[:24_000], chunk=10_000, promised=80_000, breaks_off=error)
    events, efforts, parts = hear(sound, detector)
    assert [(e.label, e.onset_sample, e.offset_sample) for e in events] == [("LOW", 16_000, 24_000)]
    assert stretches(efforts) == [(ANALYSED, 0, 24_000), (UNREADABLE, 24_000, 56_000)]
    assert [part.read_error for part in parts] == [None] * (len(parts) - 1) + [error]


def test_a_file_that_breaks_off_at_once_is_all_unreadable(tape: Tape, two_calls: TwoCalls, detector: Detector) -> None:
    error = UnreadableError("broken_off", "no first block")
    events, efforts, parts = hear(tape(two_calls()[:0], promised=80_000, breaks_off=error), detector)
    assert events == []
    assert stretches(efforts) == [(UNREADABLE, 0, 80_000)]
    assert parts[-1].read_error is error


def test_a_file_with_less_than_its_header_promises_says_so(tape: Tape, two_calls: TwoCalls, detector: Detector) -> None:
    _, efforts, _ = hear(tape(two_calls()[:50_000], promised=80_000), detector)
    assert stretches(efforts) == [(ANALYSED, 0, 50_000), (UNREADABLE, 50_000, 30_000)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -3e38])
@pytest.mark.parametrize("channel", [0, "loudest"])
def test_samples_that_are_no_sound_do_not_poison_the_rest(
    tape: Tape, two_calls: TwoCalls, detector: Detector, provenance: Provenance, bad: float, channel: Any
) -> None:
    samples = np.hstack([two_calls(), 1e-3 * two_calls()])
    samples[4_000:4_100] = bad
    events, efforts, _ = hear(tape(samples, chunk=8_000), detector, channel)
    assert [event.label for event in events if event.onset_sample > 8_000] == ["LOW", "HIGH"]
    for seq, event in enumerate(events):
        assert event_row(seq, event, provenance), "the wire takes it"
    assert effort_row(0, efforts[0], provenance)


def test_a_broken_channel_is_not_the_loudest(tape: Tape, two_calls: TwoCalls, detector: Detector) -> None:
    samples = np.hstack([np.full((80_000, 1), np.nan, np.float32), two_calls()])
    assert [event.label for event in hear(tape(samples), detector)[0]] == ["LOW", "HIGH"]


def test_the_loudest_channel_is_heard_or_the_one_that_is_asked_for(
    tape: Tape, tone: Callable[..., FloatArray], detector: Detector
) -> None:
    low, high = tone(8_000, 2, 1_000, 0.2), tone(8_000, 2, 2_500, 0.4)
    sound = tape(np.stack([low, high], axis=1), chunk=1_000)
    heard = {channel: [e.label for e in hear(sound, detector, channel)[0]] for channel in (0, 1, "loudest")}
    assert heard == {0: ["LOW"], 1: ["HIGH"], "loudest": ["HIGH"]}


def test_a_channel_that_a_mono_file_lacks_is_its_only_one(tape: Tape, two_calls: TwoCalls, detector: Detector) -> None:
    assert len(hear(tape(two_calls()), detector, 1)[0]) == 2


def test_one_channel_is_kept_for_the_whole_recording(
    tape: Tape, tone: Callable[..., FloatArray], detector: Detector
) -> None:
    """Changing over in the middle would be a click, and one frog's call in two levels."""
    quiet, loud = tone(8_000, 2, amplitude=0.2), tone(8_000, 2, amplitude=0.4)
    left, right = np.concatenate([loud, quiet]), np.concatenate([quiet, loud])
    (event,), _, _ = hear(tape(np.stack([left, right], axis=1), chunk=8_000), detector)
    assert event.level_dbfs == pytest.approx(10 * np.log10((0.4**2 + 0.2**2) / 4), abs=0.1)


@pytest.mark.parametrize("rate_hz", [4_000, 11_025, 44_100, 96_000])
def test_a_click_in_the_very_last_sample_is_an_event_inside_the_recording(
    tape: Tape, detector_for: Callable[..., Detector], bundle: Bundle, rate_hz: int
) -> None:
    detector = detector_for(bundle, threshold=1e-9)
    # What this model says of its first rows speaks of sound from before the recording.
    spoken_from = bundle.manifest.lookahead_samples // bundle.manifest.hop_samples
    for rows in (0, 1, 11):
        for more in range(-3, 4):
            samples = np.zeros((max(1, round(rows * 0.1 * rate_hz) + more), 1), np.float32)
            samples[-1:] = 1.0
            events = hear(tape(samples, rate_hz), detector)[0]
            assert events or rows <= spoken_from
            assert all(0 <= event.onset_sample < event.offset_sample <= len(samples) for event in events)
