"""What a person does with the page in a real browser: save, point, zoom, step through files, drop a file."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile as sf
from browser import Page
from support import eventually

CALLS = """JSON.stringify([...document.querySelectorAll('#calls tbody tr')].map(
    ({dataset: {code, onset, offset, peak}}) => [code, +onset, +offset, +peak]))"""

KEEP_SAVED = """var saved = [];
    URL.createObjectURL = (blob) => { saved.push(blob); return "blob:none"; };
    HTMLAnchorElement.prototype.click = function () { saved.at(-1).fileName = this.download; };"""
"""The browser hands the files to the test instead of to the disk."""


def shown(page: Page) -> bool:
    return bool(
        page.evaluate("!document.getElementById('result').hidden && !document.getElementById('status').textContent")
    )


def text(page: Page, name: str) -> str:
    return str(page.evaluate(f"document.getElementById({json.dumps(name)}).textContent"))


def click(page: Page, name: str) -> None:
    page.evaluate(f"document.getElementById('{name}').click()")


def saved_file(page: Page, number: int) -> tuple[str, bytes]:
    """Return name and content of a saved file."""
    read = f"""new Promise((done) => {{ const reader = new FileReader();
        reader.onload = () => done(reader.result); reader.readAsDataURL(saved[{number}]); }})"""
    answer = page.call("Runtime.evaluate", expression=read, awaitPromise=True)["result"]["value"]
    return str(page.evaluate(f"saved[{number}].fileName")), base64.b64decode(answer.partition(",")[2])


@pytest.fixture
def page(
    explore: Callable[..., Any], open_page: Callable[[str], Page], stream_path: Path, recording: Path, tmp_path: Path
) -> Page:
    """A page with two recordings."""
    other = tmp_path / "B_20261120_203000.wav"
    other.write_bytes(recording.read_bytes())
    opened = open_page(explore(stream_path, recording, other).url)
    opened.call("Emulation.setDeviceMetricsOverride", width=1200, height=1000, deviceScaleFactor=1, mobile=False)
    eventually(lambda: shown(opened))
    return opened


def test_calls_and_audio_are_saved(page: Page, recording: Path) -> None:
    page.evaluate(KEEP_SAVED)
    for name in ("save-labels", "save-table", "save-clip"):
        click(page, name)
    calls = json.loads(page.evaluate(CALLS))
    name, labels = saved_file(page, 0)
    assert name == f"{recording.stem}.txt"
    rate_hz = sf.info(recording).samplerate
    assert labels.decode() == "".join(
        f"{onset / rate_hz:.6f}\t{offset / rate_hz:.6f}\t{code} {peak:.2f}\n" for code, onset, offset, peak in calls
    )
    name, table = saved_file(page, 1)
    head, *lines = table.decode().splitlines()
    assert head.startswith("Start (s),End (s),Scientific name,Common name,Confidence,File")
    assert len(lines) == len(calls) == 2
    assert "Tonus gravis,low tone" in lines[0]
    name, wav = saved_file(page, 2)
    samples, rate_hz = sf.read(io.BytesIO(wav))
    assert (name[-4:], len(samples) / rate_hz) == (".wav", pytest.approx(10, abs=0.1))


def test_place_under_the_pointer_is_described_and_a_drag_zooms(page: Page) -> None:
    box = "document.getElementById('spectrogram').getBoundingClientRect()"
    left, top, width, height = (page.evaluate(f"{box}.{side}") for side in ("left", "top", "width", "height"))

    def mouse(kind: str, share: float) -> None:
        x = left + 48 + share * (width - 48)
        page.call("Input.dispatchMouseEvent", type=kind, x=x, y=top + height / 2, button="left", clickCount=1)

    mouse("mouseMoved", 0.25)
    place = eventually(lambda: text(page, "place").strip())
    assert place.startswith("0:02.5")
    assert "Hz" in place
    assert "LOW 0.9" in place
    mouse("mousePressed", 0.2)
    mouse("mouseMoved", 0.3)
    mouse("mouseMoved", 0.4)
    mouse("mouseReleased", 0.4)
    eventually(lambda: float(page.evaluate("document.getElementById('zoom').value")) > 0)
    assert page.evaluate("document.getElementById('play').getAttribute('aria-pressed')") == "false"
    assert page.complaints == []


def test_contrast_and_frequencies_change_the_spectrogram_and_names_are_common_ones(page: Page) -> None:
    image = "document.getElementById('spectrogram').toDataURL()"
    before = page.evaluate(image)
    for slider, value in (("contrast", 0.5), ("low", 20), ("high", 60)):
        page.evaluate(f"var slider = document.getElementById('{slider}'); slider.value = {value}")
        page.evaluate("slider.dispatchEvent(new Event('input'))")
        assert page.evaluate(image) != before
        before = page.evaluate(image)
    click(page, "boxes")
    page.evaluate("document.getElementById('boxes').dispatchEvent(new Event('input'))")
    assert page.evaluate(image) != before
    assert "low tone" in text(page, "calls")
    assert "low tone" in text(page, "legend")


def test_next_and_previous_recording_are_opened(page: Page, recording: Path) -> None:
    click(page, "next")
    eventually(lambda: text(page, "name") == "B_20261120_203000.wav" and shown(page))
    page.press(",", 188, ",")
    eventually(lambda: text(page, "name") == recording.name)


def test_empty_page_offers_an_example_and_takes_dropped_files(
    explore: Callable[..., Any], open_page: Callable[[str], Page], stream_path: Path, recording: Path
) -> None:
    page = open_page(explore(stream_path).url)
    eventually(lambda: page.evaluate("!document.getElementById('example').hidden"))
    assert "Drop a recording" in text(page, "empty")
    click(page, "example")
    eventually(lambda: shown(page) and text(page, "name").endswith(".ogg"))
    assert page.evaluate("document.getElementById('empty').hidden")
    content = base64.b64encode(recording.read_bytes()).decode()
    page.evaluate(f"""var dropped = new DataTransfer();
        var bytes = Uint8Array.from(atob("{content}"), (letter) => letter.charCodeAt(0));
        dropped.items.add(new File([bytes], "dropped.wav"));
        var drop = new DragEvent("drop", {{dataTransfer: dropped, bubbles: true}});
        document.getElementById("explorer").dispatchEvent(drop)""")
    eventually(lambda: text(page, "name") == "dropped.wav")
    assert page.complaints == []
