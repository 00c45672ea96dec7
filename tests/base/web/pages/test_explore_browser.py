"""The page Explore in a real browser."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from browser import Page
from support import eventually, free_port

from anura_edge.config.device import Config
from anura_edge.demo.card import CLIPS
from anura_edge.detection.detector import Detector
from anura_edge.detection.pipeline import analyse
from anura_edge.inference.bundle import DEFAULT_BUNDLE, load_bundle
from anura_edge.inference.loading import load_classifier
from anura_edge.sources.files.open_file import open_file

CLIP = CLIPS / "LITSYL_g076.ogg"


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory, launch: Callable[[Path], Any]) -> Any:
    folder = tmp_path_factory.mktemp("explore")
    settings = {"state_dir": str(folder), "mqtt": {"port": free_port()}, "web": {"port": 0}}
    path = folder / "base.yaml"
    path.write_text(yaml.safe_dump(settings))
    return launch(path)


def test_uploaded_recording_has_the_events_of_a_device(station: Any, open_page: Callable[[str], Page]) -> None:
    page = open_page(station.url + "explore")
    eventually(lambda: page.evaluate("document.readyState === 'complete'"))
    node = page.call("Runtime.evaluate", expression="document.getElementById('file')")["result"]["objectId"]
    page.call("DOM.setFileInputFiles", files=[str(CLIP)], objectId=node)
    eventually(lambda: page.evaluate("document.getElementById('name').textContent") == CLIP.name)

    bundle, config = load_bundle(DEFAULT_BUNDLE), Config()
    detector = Detector(bundle, load_classifier(bundle), config.detect, 10.0)
    analysed = analyse(open_file(CLIP, CLIP.name), detector, config.audio.channel)
    expected = [[each.label, each.onset_sample] for part in analysed for each in part.events]
    assert expected
    rows = "[...document.querySelectorAll('#calls tbody tr')].map(({dataset}) => [dataset.code, Number(dataset.onset)])"
    assert sorted(json.loads(page.evaluate(f"JSON.stringify({rows})"))) == sorted(expected)

    assert page.evaluate("document.querySelectorAll('nav a[aria-current]').length") == 1
    for width in (1280, 360):
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=740, deviceScaleFactor=1, mobile=width < 400
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []
