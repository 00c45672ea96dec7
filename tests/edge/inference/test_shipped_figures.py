"""What the pages say about the models of the package is what their manifests say."""

import re
from pathlib import Path

import pytest

from anura_edge.inference.bundle import SHIPPED_BUNDLES, load_bundle
from anura_edge.inference.manifest import Metric

PAGE = Path(__file__).parents[3] / "docs/explanation/default-model.md"
WITH_PRESETS = ("default", "small")


def metrics(name: str) -> dict[str, Metric]:
    """Return the metrics of a shipped bundle by name."""
    return {metric.name: metric for metric in load_bundle(SHIPPED_BUNDLES[name]).manifest.metrics}


@pytest.mark.parametrize("name", WITH_PRESETS)
def test_probabilities_are_calibrated(name: str) -> None:
    error = metrics(name)["calibration error"]
    assert error.high is not None
    assert error.high <= 0.05


@pytest.mark.parametrize("name", SHIPPED_BUNDLES)
def test_exported_graph_gives_the_scores_of_the_trained_network(name: str) -> None:
    parity = load_bundle(SHIPPED_BUNDLES[name]).manifest.parity
    assert parity
    assert parity.overall.largest <= 1e-4


def test_page_tells_the_false_alarms_of_each_kind() -> None:
    page = PAGE.read_text()
    table = page.partition("## False alarms by kind of background")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")][2:]
    for column, name in ((3, "default"), (5, "small")):
        told = {row[0]: row[column] for row in rows}
        assert told == {
            kind[1]: f"{metric.value:.1f} ({metric.low:.1f} to {metric.high:.1f})"
            for metric in metrics(name).values()
            if (kind := re.fullmatch(r"false alarms, (?!unseen)(.*), preset default", metric.name))
        }
