"""On the pages a call can be seen and heard, in a real browser, by mouse and by key."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine
from support import eventually

from anura_base.db.engine import open_database, write_transaction
from anura_edge.wire import ClipDenial

Make = Callable[..., Any]


def show(page: Any, url: str) -> Any:
    page.open(url)
    there = f"location.href === {json.dumps(url)} && document.readyState === 'complete'"
    eventually(lambda: page.evaluate(there))
    return page


def press(page: Any, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        text = {"text": key} if kind == "keyDown" else {}
        page.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=ord(key.upper()), **text)


def text_of(page: Any, selector: str) -> str:
    return " ".join((page.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText") or "").split())


def drawn(page: Any) -> bool:
    """Whether the picture in the SVG has come: an image of its own asks for the same address."""
    return bool(
        page.evaluate(
            "(() => { window.probe ??= Object.assign(new Image(), {src: document.querySelector('.spectrogram image')"
            ".getAttribute('href')}); return window.probe.complete && window.probe.naturalWidth === 800; })()"
        )
    )


def fits_a_phone(page: Any) -> None:
    for width in (360, 1_280):
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=740, deviceScaleFactor=1, mobile=width < 400
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture
def engine(database_url: str) -> Engine:
    return open_database(database_url)


def test_a_call_is_seen_and_heard_on_review_and_on_now(
    engine: Engine, base: Any, open_page: Make, make: Any, flac: Make, clip_devices: Make
) -> None:
    with write_transaction(engine) as connection:
        sender = clip_devices(connection)
        event = sender.add_event(make.event(1))
        sender.request(event)
        sender.send_file(event, flac(seconds=12), 16_000)
    engine.dispose()
    page = show(open_page("about:blank"), f"{base.url}review?event={event}")
    eventually(lambda: drawn(page))
    box = "['x', 'width'].map((name) => Number(document.querySelector('.spectrogram .box').getAttribute(name)))"
    x, width = page.evaluate(f"JSON.stringify({box})").strip("[]").split(",")
    assert float(x) == pytest.approx(500 / 22_050 / 12 * 800, abs=0.1)
    assert float(width) == pytest.approx(2 / 12 * 800, abs=0.1)
    assert "the call is from 0.0 to 2.0 s" in page.evaluate(
        "document.querySelector('.spectrogram').getAttribute('aria-label')"
    )
    press(page, "p")
    eventually(
        lambda: page.evaluate(
            "(({paused, currentTime}) => !paused && currentTime > 0)(document.querySelector('audio'))"
        )
    )
    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(12, abs=0.1)
    press(page, "p")
    eventually(lambda: page.evaluate("document.querySelector('audio').paused"))
    assert page.evaluate("document.querySelector('[data-key=a]')") is None
    fits_a_phone(page)

    show(page, base.url)
    eventually(lambda: drawn(page))
    assert "Clips the last 1 received" in text_of(page, ".totals + section, section")
    assert page.evaluate("document.querySelectorAll('.clips audio').length") == 1
    fits_a_phone(page)
    assert page.evaluate("document.querySelectorAll('[style], style').length") == 0
    assert page.complaints == []


def test_what_plays_on_now_is_not_interrupted_by_news(
    engine: Engine, base: Any, device: Any, open_page: Make, make: Any, flac: Make, clip_devices: Make
) -> None:
    with write_transaction(engine) as connection:
        sender = clip_devices(connection)
        event = sender.add_event(make.event(1))
        sender.request(event)
        sender.send_file(event, flac(seconds=2), 16_000)
    engine.dispose()
    page = show(open_page("about:blank"), base.url)
    page.evaluate("var news = 0; stream.addEventListener('live', () => { news += 1; })")
    eventually(lambda: page.evaluate("document.querySelector('#link').className") == "live")
    start = "var player = document.querySelector('audio'); player.loop = true; player.play()"
    page.call("Runtime.evaluate", expression=start, userGesture=True)
    eventually(lambda: page.evaluate("player.currentTime > 0"))
    before = page.evaluate("news")
    device.send(make.event(2))
    eventually(lambda: page.evaluate("news") > before)
    assert page.evaluate("document.querySelector('audio') === player && !player.paused")
    page.evaluate("player.pause()")
    device.send(make.event(3))
    eventually(lambda: page.evaluate("document.querySelectorAll('#live table tbody tr').length") == 3)
    assert page.complaints == []


def test_a_key_asks_for_a_clip_and_the_page_follows_it(
    engine: Engine, base: Any, open_page: Make, make: Any, flac: Make, clip_devices: Make
) -> None:
    def do(what: Callable[[Any], Any]) -> Any:
        with write_transaction(engine) as connection:  # as the base station itself does
            return what(clip_devices(connection))

    event, file = do(lambda sender: sender.add_event(make.event(1))), flac()
    page = show(open_page("about:blank"), f"{base.url}review?event={event}")
    assert "no audio of this call" in text_of(page, "#clip")
    press(page, "a")
    eventually(lambda: "is requested" in text_of(page, "#clip"))
    do(lambda sender: sender.send_message(sender.part(event, file, 0, len(file) * 2 // 5)))
    eventually(
        lambda: "being received: 39 %" in text_of(page, "#clip") or "being received: 40 %" in text_of(page, "#clip")
    )
    do(lambda sender: sender.send_file(event, file))
    eventually(lambda: page.evaluate("document.querySelector('#clip audio') !== null"))
    assert page.evaluate("document.querySelector('#clip').hasAttribute('hx-get')") is False, "it looks no more"

    gone = do(lambda sender: sender.add_event(make.event(2, label="<img src=x>")))
    show(page, f"{base.url}review?event={gone}")
    press(page, "a")
    eventually(lambda: "is requested" in text_of(page, "#clip"))
    do(lambda sender: sender.send_message(ClipDenial(event=gone, why="gone", detail="<img src=x onerror=alert(1)>")))
    eventually(lambda: "has no audio of this call" in text_of(page, "#clip"))
    assert "<img src=x onerror=alert(1)>" in text_of(page, "#clip"), "as text"
    assert "Request the clip again" in text_of(page, "#clip")
    assert page.complaints == []
    engine.dispose()


def test_a_clip_that_came_can_be_explored(
    engine: Engine, base: Any, open_page: Make, make: Any, flac: Make, clip_devices: Make
) -> None:
    with write_transaction(engine) as connection:
        sender = clip_devices(connection)
        event, other = sender.add_event(make.event(1)), sender.add_event(make.event(2))
        sender.request(event)
        sender.send_file(event, flac(seconds=3), 16_000)
    engine.dispose()
    page = show(open_page("about:blank"), f"{base.url}review?event={event}")
    link = "document.querySelector('.clip a[href*=explore]')"
    eventually(lambda: page.evaluate(f"{link} !== null"))
    page.evaluate(f"{link}.click()")
    eventually(lambda: "pond/swamp-1: Physalaemus cuvieri" in text_of(page, "#name"))
    assert page.evaluate("document.getElementById('recording').selectedOptions[0].text") == text_of(page, "#name")
    assert text_of(page, "#facts").startswith("0:03.0 ")
    assert page.complaints == []
    show(page, f"{base.url}explore?recording={other}")
    eventually(lambda: "request it" in text_of(page, "#problem"))
