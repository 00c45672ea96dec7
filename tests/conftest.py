"""Real parts for every test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import Page, browser
from support import Broker, free_port


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path, free_port())
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def open_page(tmp_path: Path) -> Iterator[Callable[[str], Page]]:
    with browser(tmp_path / "browser") as page:

        def open_it(url: str) -> Page:
            page.open(url)
            return page

        yield open_it
