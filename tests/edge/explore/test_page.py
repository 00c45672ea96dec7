"""The explorer in a real browser: it shows the calls of a scan, and its sliders send no request."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from browser import Page, new_page, start_browser
from support import eventually

from anura_edge.audio import FloatArray
from anura_edge.detection.tracker import DetectionTracker, Rule
from anura_edge.events import Scores
from anura_edge.inference.manifest import Label

HOSTILE = "<img src=x onerror=document.title='taken'>"

CALLS = """JSON.stringify([...document.querySelectorAll('#calls tbody tr')].map(
    ({dataset: {code, onset, offset, peak}}) => [code, +onset, +offset, +peak]))"""

REGIONS = """document.querySelector('#wave > div').shadowRoot.querySelectorAll('[part^="region "]')"""


def shown(page: Page) -> bool:
    return bool(
        page.evaluate("!document.getElementById('result').hidden && !document.getElementById('status').textContent")
    )


def calls(page: Page) -> set[tuple[Any, ...]]:
    return {tuple(call) for call in json.loads(page.evaluate(CALLS))}


def text(page: Page, name: str) -> str:
    return str(page.evaluate(f"document.getElementById({json.dumps(name)}).textContent"))


def move(page: Page, slider: str, value: float) -> None:
    """Move a slider, with the events of a user's action."""
    page.evaluate(f"var slider = document.getElementById('{slider}'); slider.value = {value}")
    page.evaluate("for (const kind of ['input', 'change']) slider.dispatchEvent(new Event(kind, {bubbles: true}))")


def choose(page: Page, file: Path) -> None:
    """Choose a file in the file input."""
    node = page.call("Runtime.evaluate", expression="document.getElementById('file')")["result"]["objectId"]
    page.call("DOM.setFileInputFiles", files=[str(file)], objectId=node)


@pytest.fixture(scope="module")
def url(explore: Callable[..., Any], stream_path: Path, recording: Path) -> str:
    """The address of a page with a recording and the stream model."""
    return str(explore(stream_path, recording).url)


@pytest.fixture
def scanned(settings: dict[str, str], command: list[str], tmp_path: Path) -> Callable[..., set[tuple[Any, ...]]]:
    """Return the calls that a scan finds: `scanned(bundle, file, SECTION__KEY=value)`."""

    def scan(bundle: Path, file: Path, **changes: float) -> set[tuple[Any, ...]]:
        state = tmp_path / f"state-{len(list(tmp_path.iterdir()))}"
        chosen = {"MODEL__BUNDLE": bundle, "STATE_DIR": state, **changes}
        environment = {**settings, **{f"ANURA__{name}": str(value) for name, value in chosen.items()}}
        output = subprocess.check_output([*command, "scan", file, "--json"], env=environment, text=True)
        rows = [row["event"] for row in map(json.loads, output.splitlines()) if "event" in row]
        return {(row["label"], row["onset_sample"], row["offset_sample"], row["p_peak"]) for row in rows}

    return scan


@pytest.mark.parametrize("kind", ["stream", "window", "averaged"])
def test_page_shows_the_calls_of_a_scan(
    explore: Callable[..., Any],
    scanned: Callable[..., set[tuple[Any, ...]]],
    open_page: Callable[[str], Page],
    recording: Path,
    request: pytest.FixtureRequest,
    kind: str,
) -> None:
    bundle = request.getfixturevalue(f"{kind}_path")
    page = open_page(explore(bundle, recording).url)
    eventually(lambda: shown(page))
    expected = scanned(bundle, recording)
    assert expected
    assert calls(page) == expected
    assert page.evaluate(f"{REGIONS}.length") == len(expected)
    assert text(page, "name") == recording.name

    requests = page.evaluate("performance.getEntriesByType('resource').length")
    move(page, "threshold", 0.97)
    assert calls(page) == set()
    move(page, "threshold", 0.05)
    move(page, "gap", 3.3)
    assert calls(page) == scanned(bundle, recording, DETECT__THRESHOLD=0.05, DETECT__MERGE_GAP_S=3.3)
    assert page.evaluate(f"{REGIONS}.length") == len(calls(page))
    assert text(page, "settings") == "detect: {threshold: 0.05, merge_gap_s: 3.3}"
    move(page, "top", 1)
    assert page.evaluate("document.querySelectorAll('#legend li').length") == 1
    assert page.evaluate("performance.getEntriesByType('resource').length") == requests
    assert page.complaints == []


def test_browser_tracker_equals_the_device_tracker(url: str, open_page: Callable[[str], Page]) -> None:
    random = np.random.default_rng(5)
    cases, expected = [], []
    for _ in range(300):
        rows, step = int(random.integers(0, 60)), int(random.integers(1, 50))
        span = step * int(random.integers(1, 5))
        rule = Rule(
            0.5, float(random.choice([0.25, 0.4, 0.5])), int(random.integers(0, 300)), int(random.integers(1, 900))
        )
        p = (random.random((rows, 1)) ** 2).round(2).astype(np.float32)
        power = random.random(rows).astype(np.float32)
        tracker = DetectionTracker([rule], step, span)
        found = [*tracker.update(Scores(p, power, 0, step, span)), *tracker.flush()]
        expected.append([[call.onset_sample, call.offset_sample, call.p_peak, call.p_mean] for call in found])
        limits = {"on": rule.on, "off": rule.off, "merge_gap": rule.merge_gap, "max_length": rule.max_length}
        cases.append([p[:, 0].tolist(), 1, 0, power.tolist(), step, span, limits])
    page = open_page(url)
    eventually(lambda: page.evaluate("document.readyState === 'complete'"))
    run = f"""import('/static/explore/calls.js').then(({{track}}) => JSON.stringify(
        {json.dumps(cases)}.map((each) => track(...each).map((call) => call.slice(0, 4)))))"""
    answer = page.call("Runtime.evaluate", expression=run, awaitPromise=True)
    assert json.loads(answer["result"]["value"]) == expected


def test_clicks_and_keys_control_the_player(url: str, open_page: Callable[[str], Page]) -> None:
    page = open_page(url)
    page.call("Emulation.setDeviceMetricsOverride", width=1200, height=1000, deviceScaleFactor=1, mobile=False)
    eventually(lambda: shown(page))

    def position_s() -> float:
        minutes, seconds = text(page, "position").partition(" / ")[0].split(":")
        return 60 * int(minutes) + float(seconds)

    def is_playing() -> bool:
        return bool(page.evaluate("document.getElementById('play').getAttribute('aria-pressed') === 'true'"))

    def place(selector: str, share: float) -> tuple[float, float]:
        box = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        left, top, width, height = (page.evaluate(f"{box}.{side}") for side in ("left", "top", "width", "height"))
        return left + share * width, top + height / 2

    page.press(" ", 32, " ")
    eventually(lambda: is_playing() and position_s() > 0)
    page.press(" ", 32, " ")
    eventually(lambda: not is_playing())
    page.evaluate("document.getElementById('threshold').focus()")  # the space bar does not move a slider
    page.press(" ", 32, " ")
    eventually(is_playing)
    page.press(" ", 32, " ")
    page.evaluate("document.activeElement.blur()")
    page.press("ArrowRight", 39)
    before = eventually(position_s)
    page.press("ArrowRight", 39)
    assert position_s() == pytest.approx(before + 1, abs=0.11)
    page.press("n", 78, "n")
    eventually(lambda: (is_playing() and position_s() >= 2) or position_s() >= 6)
    page.press("p", 80, "p")
    eventually(is_playing)
    page.press(" ", 32, " ")
    page.evaluate("document.querySelectorAll('#calls button')[1].click()")
    eventually(lambda: is_playing() and 5.9 <= position_s() < 8)
    assert page.evaluate("document.querySelectorAll('#calls tr')[2].className") == "now"
    for selector in ("#wave", "#curves .u-over"):
        page.click(*place(selector, 0.4))
        eventually(lambda: is_playing() and 3.5 <= position_s() < 6)
        page.press("0", 48, "0")
        page.press(" ", 32, " ")
        eventually(lambda: not is_playing())
    zoom = "Number(document.getElementById('zoom').value)"
    assert page.evaluate(zoom) == 0
    for _ in range(3):
        page.press("+", 187, "+")
    eventually(lambda: page.evaluate(zoom) > 0.2)
    page.press("0", 48, "0")
    eventually(lambda: page.evaluate(zoom) == 0)
    assert page.complaints == []


def test_markup_in_names_is_shown_as_text(
    explore: Callable[..., Any],
    open_page: Callable[[str], Page],
    write_bundle: Callable[..., Path],
    stream_model: Any,
    recording: Path,
    tmp_path: Path,
) -> None:
    def is_reported(name: str) -> bool:
        return name in text(page, "problem")

    names = {"scientific_name": HOSTILE, "common_name": HOSTILE}
    labels = [
        Label(code=code, threshold=0.5, is_reliable=reliable, **names) for code, reliable in (("LOW", 0), ("HIGH", 1))
    ]
    bundle = write_bundle(tmp_path / "bundle", replace(stream_model, labels=labels), title=HOSTILE)
    file = tmp_path / f"{HOSTILE}.wav"
    file.write_bytes(recording.read_bytes())
    served = explore(bundle, file)
    page = open_page(served.url)
    eventually(lambda: shown(page))
    assert text(page, "name") == f"{HOSTILE}.wav"
    assert HOSTILE in text(page, "legend")
    assert text(page, "calls").count(HOSTILE) == 4  # the scientific and the common name of two calls
    assert text(page, "calls").count("unreliable") == text(page, "legend").count("unreliable") == 1

    for name, content in ((f"{HOSTILE}.txt", b"DATE,TIME,LAT"), ("cut.wav", b"RIFF\x10"), ("none.wav", b"")):
        invalid = tmp_path / name
        invalid.write_bytes(content)
        choose(page, invalid)
        eventually(partial(is_reported, name))
        assert page.evaluate("document.getElementById('problem').getAttribute('role')") == "alert"
    choose(page, recording)
    eventually(lambda: text(page, "name") == recording.name)
    assert text(page, "problem") == ""
    assert len(calls(page)) == 2
    assert served.stored_files == []
    assert page.evaluate("document.querySelector('img[src=x]')") is None
    assert page.evaluate("document.title") == "anura: explore"
    # The browser logs each refused request, and nothing else may be in its log.
    assert all("422" in complaint for complaint in page.complaints)
    assert page.evaluate("document.querySelectorAll('[style*=\"expression\"], style, script:not([src])').length") == 0


def test_url_selects_a_recording(
    explore: Callable[..., Any], open_page: Callable[[str], Page], recording: Path, stream_path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "B_20261120_203000.wav"
    other.write_bytes(recording.read_bytes())
    page = open_page(explore(stream_path, recording, other).url + "?recording=1")
    eventually(lambda: shown(page) and text(page, "name") == other.name)
    assert page.evaluate("document.getElementById('recording').value") == "1"
    move(page, "recording", 0)
    eventually(lambda: text(page, "name") == recording.name)
    page.open(explore(stream_path, recording).url + "?recording=7")
    eventually(lambda: "no recording '7'" in text(page, "problem"))


def test_window_slider_starts_another_analysis(
    explore: Callable[..., Any], open_page: Callable[[str], Page], recording: Path, window_path: Path
) -> None:
    page = open_page(explore(window_path, recording).url)
    eventually(lambda: shown(page))
    assert page.evaluate("[...document.querySelectorAll('.framing')].every(({offsetParent}) => offsetParent)")
    before = calls(page)
    page.evaluate("document.getElementById('threshold').value = 0.4")
    move(page, "threshold", 0.4)
    move(page, "hop", 0.1)
    eventually(lambda: shown(page) and calls(page) != before)
    assert text(page, "hop-value") == "0.10 s"
    assert text(page, "threshold-value") == "0.40"
    assert page.complaints == []


def test_stream_model_has_no_window_sliders(url: str, open_page: Callable[[str], Page]) -> None:
    page = open_page(url)
    eventually(lambda: shown(page))
    assert page.evaluate("[...document.querySelectorAll('.framing')].every(({offsetParent}) => !offsetParent)")
    for width in (1280, 360):
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=740, deviceScaleFactor=1, mobile=width < 400
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    unnamed = "[...document.querySelectorAll('input, select')].filter((field) => !field.labels.length).length"
    assert page.evaluate(unnamed) == 0


def test_browser_microphone_is_analysed(
    explore: Callable[..., Any], tmp_path: Path, two_calls: Callable[..., FloatArray], stream_path: Path
) -> None:
    sound = tmp_path / "pond.wav"
    sf.write(sound, np.concatenate([two_calls(48_000)[48_000:192_000], two_calls(48_000)[240_000:384_000]]), 48_000)
    pretend = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    options = [*pretend, f"--use-file-for-fake-audio-capture={sound}"]
    with start_browser(tmp_path / "browser", *options) as connection, new_page(connection) as page:
        page.open(explore(stream_path).url)
        eventually(lambda: page.evaluate("document.readyState === 'complete'"))
        press = "document.getElementById('microphone').click()"
        page.call("Runtime.evaluate", expression=press, userGesture=True)
        seconds = "Number(document.getElementById('status').textContent.match(/0:(\\d+)/)?.[1])"
        eventually(lambda: page.evaluate(f"{seconds} >= 7"))
        page.evaluate(press)
        eventually(lambda: shown(page) and text(page, "name") == "microphone.wav")
        assert {call[0] for call in calls(page)} == {"LOW", "HIGH"}
        assert page.complaints == []
