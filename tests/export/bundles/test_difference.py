"""Two bundles are compared frame by frame if labels and frames match."""

from dataclasses import replace

import numpy as np
import pytest

from anura_edge.errors import ModelError
from anura_edge.inference.bundle import Bundle
from anura_export.bundles.difference import MAX_LISTED_LABELS, compare_bundles, summarise_parity
from anura_export.quantization.build import QuantizedBundle

CLIPS = [np.random.default_rng(0).normal(0, 0.1, 30_000).astype(np.float32)]


def test_bundle_does_not_differ_from_itself(bundle: Bundle) -> None:
    found = compare_bundles(bundle, bundle, CLIPS)
    assert not found.absolute.any()
    assert (found.changed, found.decisions) == (0, 2)


def test_comparison_is_symmetric(bundle: Bundle, quantized: QuantizedBundle) -> None:
    there, back = compare_bundles(bundle, quantized.bundle, CLIPS), compare_bundles(quantized.bundle, bundle, CLIPS)
    np.testing.assert_array_equal(there.absolute, back.absolute)


@pytest.mark.parametrize("changes", [{"rate_hz": 24_000}, {"labels": ()}, {"hop_samples": 490}])
def test_bundles_with_other_labels_or_frames_are_refused(bundle: Bundle, changes: dict[str, object]) -> None:
    other = replace(bundle, manifest=bundle.manifest.model_copy(update=changes))
    with pytest.raises(ModelError, match=f"differ in {next(iter(changes))}"):
        compare_bundles(bundle, other, CLIPS)


def test_parity_has_each_label_and_the_total() -> None:
    changes = np.array([[0.0, 0.1], [0.3, 0.0]], np.float32)
    parity = summarise_parity(changes, ["A", "B"], "torch", "noise")
    assert parity.overall.largest == pytest.approx(0.3)
    assert parity.labels["A"].largest == pytest.approx(0.3)
    assert parity.labels["B"].largest == pytest.approx(0.1)


def test_parity_of_many_labels_has_only_the_total() -> None:
    changes = np.full((1, MAX_LISTED_LABELS + 1), 0.5, np.float32)
    parity = summarise_parity(changes, map(str, range(MAX_LISTED_LABELS + 1)), "torch", "noise")
    assert parity.labels == {}
    assert parity.overall.largest == pytest.approx(0.5)
