"""Detections are where the detections are, at any sampling rate and for any chunks."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.config.analysis import DetectionSettings
from anura_edge.detection.detector import Detector, rules_for
from anura_edge.errors import ConfigError
from anura_edge.events import Detection
from anura_edge.inference.bundle import Bundle

TwoCalls = Callable[..., FloatArray]

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000]
HOP_S = 0.1


@pytest.fixture(scope="module")
def detector(detector_for: Callable[..., Detector], stream_bundle: Bundle) -> Detector:
    return detector_for(stream_bundle)


def detect(detector: Detector, rate_hz: int, *chunks: FloatArray) -> list[Detection]:
    detector.begin(rate_hz)
    detections = [detection for chunk in chunks for detection in detector.feed(chunk)]
    return [*detections, *detector.end()]


@settings(max_examples=25)
@given(st.sampled_from(RATES[:5]), st.lists(st.floats(0, 1), max_size=8))
def test_detections_do_not_depend_on_chunks(
    two_calls: TwoCalls, detector: Detector, rate_hz: int, cuts: list[float]
) -> None:
    sound = two_calls(rate_hz)[:, 0]
    expected = detect(detector, rate_hz, sound)
    chunks = np.split(sound, sorted(round(cut * len(sound)) for cut in cuts))
    found = detect(detector, rate_hz, *chunks)
    assert [(c.label, c.onset_sample, c.offset_sample) for c in found] == [
        (c.label, c.onset_sample, c.offset_sample) for c in expected
    ]
    assert [c.p_mean for c in found] == pytest.approx([c.p_mean for c in expected], abs=1e-5)
    assert [c.level_dbfs for c in found] == pytest.approx([c.level_dbfs for c in expected], abs=1e-3)


@pytest.mark.parametrize("block_s", [0.1, 0.25, 1, 3, 60])
def test_detections_do_not_depend_on_blocks(
    bundle: Bundle, detector_for: Callable[..., Detector], two_calls: TwoCalls, block_s: float
) -> None:
    sound = two_calls()[:, 0]
    expected = detect(detector_for(bundle), 8_000, sound)
    found = detect(detector_for(bundle, block_s), 8_000, sound)
    assert expected
    assert [(c.label, c.onset_sample, c.offset_sample) for c in found] == [
        (c.label, c.onset_sample, c.offset_sample) for c in expected
    ]


@pytest.mark.parametrize("rate_hz", RATES)
def test_each_sampling_rate_gives_the_same_detections(detector: Detector, two_calls: TwoCalls, rate_hz: int) -> None:
    low, high = detect(detector, rate_hz, two_calls(rate_hz)[:, 0])
    assert (low.label, high.label) == (0, 1)
    for detection, onset_s, offset_s in ((low, 2.0, 3.5), (high, 6.0, 7.0)):
        assert detection.onset_sample / 8_000 == pytest.approx(onset_s, abs=HOP_S)
        assert detection.offset_sample / 8_000 == pytest.approx(offset_s, abs=2 * HOP_S)  # the model looks back one hop
        assert detection.p_peak == pytest.approx(0.5**2 / (0.5**2 + 0.01), abs=1e-3)
        assert detection.level_dbfs == pytest.approx(-9, abs=1)


def test_begin_resets_the_state(detector: Detector, tone: Callable[..., FloatArray]) -> None:
    assert len(detect(detector, 8_000, tone(8_000, 1.03))) == 1
    assert detect(detector, 8_000, np.zeros(8_000, np.float32)) == []
    assert detect(detector, 22_050, np.zeros(22_050, np.float32)) == []


def test_empty_segment_has_no_detections(detector: Detector) -> None:
    assert detect(detector, 22_050) == detect(detector, 8_000, np.zeros(0, np.float32)) == []


def test_one_sample_is_analysed(detector: Detector) -> None:
    assert detect(detector, 8_000, np.ones(1, np.float32)) == []
    (detection,) = detect(detector, 8_000, np.full(1, 1_000, np.float32))[:1]
    assert detection.onset_sample == 0


def test_settings_override_the_bundles_thresholds(stream_bundle: Bundle) -> None:
    ons = [rule.on for rule in rules_for(stream_bundle, DetectionSettings())]
    assert ons == [0.5, 0.5]
    ons = [rule.on for rule in rules_for(stream_bundle, DetectionSettings(threshold=0.7, thresholds={"HIGH": 0.9}))]
    assert ons == [0.7, 0.9]
    (rule, _) = rules_for(stream_bundle, DetectionSettings(release_ratio=0.25, merge_gap_s=0.5, max_call_s=2))
    assert (rule.off, rule.merge_gap, rule.max_length) == (0.125, 4_000, 16_000)


def test_preset_selects_the_thresholds(stream_bundle: Bundle) -> None:
    low, high = stream_bundle.manifest.labels
    labels = (low.model_copy(update={"sensitive": 0.3, "strict": 0.8}), high)
    bundle = replace(stream_bundle, manifest=stream_bundle.manifest.model_copy(update={"labels": labels}))

    def thresholds(**settings: Any) -> list[float]:
        return [rule.on for rule in rules_for(bundle, DetectionSettings(**settings))]

    assert thresholds() == [0.5, 0.5]
    assert thresholds(preset="sensitive") == [0.3, 0.5]
    assert thresholds(preset="strict") == [0.8, 0.5]
    assert thresholds(preset="strict", thresholds={"LOW": 0.6}) == [0.6, 0.5]
    assert thresholds(preset="strict", threshold=0.7) == [0.7, 0.7]


def test_threshold_of_an_unknown_label_is_refused(stream_bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match=r"no \['MIDDLE'\]; it has LOW, HIGH"):
        rules_for(stream_bundle, DetectionSettings(thresholds={"MIDDLE": 0.5}))


def test_label_of_a_threshold_ignores_case(stream_bundle: Bundle) -> None:
    code = stream_bundle.manifest.labels[0].code
    for name in (code, code.lower()):
        assert rules_for(stream_bundle, DetectionSettings(thresholds={name: 0.123}))[0].on == 0.123
