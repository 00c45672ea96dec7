"""AnuraSet after unpacking, with seconds instead of minutes."""

from pathlib import Path

import pytest
from data_sets import write_raw


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_raw(tmp_path / "raw")
