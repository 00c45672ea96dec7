"""Fixtures for all tests: a broker and a browser."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import Connection, Page, new_page, start_browser
from hypothesis import settings
from support import Broker, free_port

# A slow machine must not fail a test. A change is judged by the same examples each time; elsewhere, they are random.
settings.register_profile("anura", deadline=None, derandomize="ANURA_REQUIRE_REAL" in os.environ)
settings.load_profile("anura")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path, free_port())
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A running browser. Each test has a context of its own in it."""
    with start_browser(tmp_path_factory.mktemp("browser")) as connection:
        yield connection


@pytest.fixture
def open_page(browser: Connection) -> Iterator[Callable[[str], Page]]:
    """Open an address in the browser and return the page."""
    with new_page(browser) as page:

        def open_it(url: str) -> Page:
            page.open(url)
            return page

        yield open_it
