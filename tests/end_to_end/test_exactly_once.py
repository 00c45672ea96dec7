"""After any history of devices, journals and cards, each recording counts exactly once at the base station."""

from pathlib import Path

import pytest
from faultlab.histories import KINDS, run_history


@pytest.mark.parametrize("kind", KINDS)
def test_each_recording_counts_exactly_once_after_any_history(tmp_path: Path, kind: str) -> None:
    report = run_history(tmp_path, KINDS[kind], seed=1)
    assert report.rows
    assert not report.violations
