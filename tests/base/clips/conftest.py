"""Fixtures for the tests of clips."""

from collections.abc import Callable

import pytest
from clip_device import Speaker, make_flac


@pytest.fixture
def flac() -> Callable[..., bytes]:
    return make_flac


@pytest.fixture
def speakers() -> Callable[..., Speaker]:
    return Speaker
