"""Clips on the pages, in a real browser."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine
from support import Broker, eventually, free_port

from anura_base.db.engine import open_database, write_transaction
from anura_base.db.schema import identity, metadata
from anura_edge.wire import ClipDenial

Make = Callable[..., Any]


def has_spectrogram(page: Any) -> bool:
    """Return whether the spectrogram is loaded, by another image, because an image in SVG has no state."""
    return bool(
        page.evaluate(
            "(() => { window.probe ??= Object.assign(new Image(), {src: document.querySelector('.spectrogram image')"
            ".getAttribute('href')}); return window.probe.complete && window.probe.naturalWidth === 800; })()"
        )
    )


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker"), free_port())
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('clips') / 'base.db'}"


@pytest.fixture(scope="module")
def base(url: str, broker: Broker, launch: Make, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One base station for all tests of this module."""
    path = tmp_path_factory.mktemp("settings") / "base.yaml"
    path.write_text(yaml.safe_dump({"database": url, "mqtt": {"port": broker.port}, "web": {"port": 0}}))
    base = launch(path)
    eventually(base.connected)
    return base


@pytest.fixture
def engine(base: Any, url: str) -> Iterator[Engine]:
    """The database of the base station, without rows."""
    engine = open_database(url)
    with write_transaction(engine) as connection:
        for table in set(metadata.sorted_tables) - {identity}:
            connection.execute(table.delete())
    yield engine
    engine.dispose()


def test_clip_is_shown_and_played_on_review_and_front_page(
    engine: Engine, base: Any, open_page: Make, make: Any, flac: Make, clip_devices: Make
) -> None:
    with write_transaction(engine) as connection:
        sender = clip_devices(connection)
        event = sender.add_event(make.event(1))
        sender.request(event)
        sender.send_file(event, flac(seconds=12), 16_000)
    page = open_page("about:blank")
    page.show(f"{base.url}review?event={event}")
    eventually(lambda: has_spectrogram(page))
    box = "['x', 'width'].map((name) => Number(document.querySelector('.spectrogram .box').getAttribute(name)))"
    x, width = page.evaluate(f"JSON.stringify({box})").strip("[]").split(",")
    assert float(x) == pytest.approx(500 / 22_050 / 12 * 800, abs=0.1)
    assert float(width) == pytest.approx(2 / 12 * 800, abs=0.1)
    assert "the call is from 0.0 to 2.0 s" in page.evaluate(
        "document.querySelector('.spectrogram').getAttribute('aria-label')"
    )
    page.press("p", ord("P"), "p")
    eventually(
        lambda: page.evaluate(
            "(({paused, currentTime}) => !paused && currentTime > 0)(document.querySelector('audio'))"
        )
    )
    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(12, abs=0.1)
    page.press("p", ord("P"), "p")
    eventually(lambda: page.evaluate("document.querySelector('audio').paused"))
    assert page.evaluate("document.querySelector('[data-key=a]')") is None
    assert page.fits(360)
    assert page.fits(1_280)

    page.show(base.url)
    eventually(lambda: has_spectrogram(page))
    assert "Clips the last 1 received" in page.text_of("section:has(.clips)")
    assert page.count(".clips audio") == 1
    assert page.fits(360)
    assert page.fits(1_280)
    assert page.count("[style], style") == 0
    assert page.complaints == []


def test_playing_clip_is_not_interrupted_by_updates(
    engine: Engine, base: Any, device: Any, open_page: Make, make: Any, flac: Make, clip_devices: Make
) -> None:
    with write_transaction(engine) as connection:
        sender = clip_devices(connection)
        event = sender.add_event(make.event(1))
        sender.request(event)
        sender.send_file(event, flac(seconds=2), 16_000)
    device.send(make.event(2))  # the base station makes the front page again after a message
    page = open_page("about:blank")
    page.show(base.url)
    eventually(lambda: str(event) in page.evaluate("document.querySelector('audio')?.src ?? ''"))
    page.evaluate("var updates = 0; stream.addEventListener('live', () => { updates += 1; })")
    eventually(lambda: page.evaluate("document.querySelector('#link').className") == "live")
    start = "var player = document.querySelector('audio'); player.loop = true; player.play()"
    page.call("Runtime.evaluate", expression=start, userGesture=True)
    eventually(lambda: page.evaluate("player.currentTime > 0"))
    before = page.evaluate("updates")
    device.send(make.event(3))
    eventually(lambda: page.evaluate("updates") > before)
    assert page.evaluate("document.querySelector('audio') === player && !player.paused")
    page.evaluate("player.pause()")
    device.send(make.event(4))
    eventually(lambda: page.count("#live tr[id^='call-']") == 4)
    assert page.complaints == []


def test_key_requests_a_clip_and_the_page_shows_its_state(
    engine: Engine, base: Any, open_page: Make, make: Any, flac: Make, clip_devices: Make
) -> None:
    def run(action: Callable[[Any], Any]) -> Any:
        with write_transaction(engine) as connection:  # as the base station does it
            return action(clip_devices(connection))

    event, file = run(lambda sender: sender.add_event(make.event(1))), flac()
    page = open_page("about:blank")
    page.show(f"{base.url}review?event={event}")
    assert "no audio of this call" in page.text_of("#clip")
    page.press("a", ord("A"), "a")
    eventually(lambda: "is requested" in page.text_of("#clip"))
    run(lambda sender: sender.send_message(sender.part(event, file, 0, len(file) * 2 // 5)))
    eventually(
        lambda: "being received: 39 %" in page.text_of("#clip") or "being received: 40 %" in page.text_of("#clip")
    )
    run(lambda sender: sender.send_file(event, file))
    eventually(lambda: page.evaluate("document.querySelector('#clip audio') !== null"))
    assert page.evaluate("document.querySelector('#clip').hasAttribute('hx-get')") is False, "the page no longer polls"

    gone = run(lambda sender: sender.add_event(make.event(2, label="<img src=x>")))
    page.show(f"{base.url}review?event={gone}")
    page.press("a", ord("A"), "a")
    eventually(lambda: "is requested" in page.text_of("#clip"))
    run(lambda sender: sender.send_message(ClipDenial(event=gone, why="gone", detail="<img src=x onerror=alert(1)>")))
    eventually(lambda: "has no audio of this call" in page.text_of("#clip"))
    assert "<img src=x onerror=alert(1)>" in page.text_of("#clip"), "as text"
    assert "Request the clip again" in page.text_of("#clip")
    assert page.complaints == []


def test_stored_clip_can_be_explored(
    engine: Engine, base: Any, open_page: Make, make: Any, flac: Make, clip_devices: Make
) -> None:
    with write_transaction(engine) as connection:
        sender = clip_devices(connection)
        event, other = sender.add_event(make.event(1)), sender.add_event(make.event(2))
        sender.request(event)
        sender.send_file(event, flac(seconds=3), 16_000)
    page = open_page("about:blank")
    page.show(f"{base.url}review?event={event}")
    link = "document.querySelector('.clip a[href*=explore]')"
    eventually(lambda: page.evaluate(f"{link} !== null"))
    page.evaluate(f"{link}.click()")
    eventually(lambda: "pond/swamp-1: Physalaemus cuvieri" in page.text_of("#name"))
    assert page.evaluate("document.getElementById('recording').selectedOptions[0].text") == page.text_of("#name")
    assert page.text_of("#facts").startswith("0:03.0 ")
    assert page.complaints == []
    page.show(f"{base.url}explore?recording={other}")
    eventually(lambda: "request it" in page.text_of("#problem"))
