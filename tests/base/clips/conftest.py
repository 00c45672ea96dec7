"""Fixtures for the tests of clips."""

from collections.abc import Callable

import pytest
from clip_device import ClipDevice, make_flac


@pytest.fixture
def flac() -> Callable[..., bytes]:
    return make_flac


@pytest.fixture
def clip_devices() -> Callable[..., ClipDevice]:
    return ClipDevice
