"""The review of a journal on a laptop: real recordings, a real scan, and the pages of the base station."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from exported import unzipped
from support import DEADLINE_S, eventually

from anura_edge.demo.card import UTC_OFFSET, write_card

EDGE = [sys.executable, "-c", "from anura_edge.cli.main import main; main()"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a scan of the demo's card, `card`, with the results, `results`."""
    folder = tmp_path_factory.mktemp("laptop")
    write_card(folder / "card")
    command = [*EDGE, "scan", folder / "card", "--out", folder / "results", f"--utc-offset={UTC_OFFSET}"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode in (0, 8), done.stderr
    (folder / "results/sites.csv").write_text("site,latitude,longitude,zone\nsite,35.9,-79.0,America/New_York\n")
    return folder


def environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANURA")}
    return {**clean, "ANURA__MODEL__BUNDLE": "stream"}


@pytest.fixture
def start(results: Path) -> Iterator[Callable[[], str]]:
    """Start `anura-edge review`, and return the address of its page. The next start ends the one before."""
    started: list[subprocess.Popen[str]] = []

    def stop() -> None:
        while started:
            process = started.pop()
            process.send_signal(signal.SIGINT)
            process.communicate()

    def review() -> str:
        stop()
        command = [*EDGE, "review", "--results", results / "results", "--recordings", results / "card", "--no-browser"]
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        return next(found[0] for line in process.stdout if (found := re.search(r"http://\S+/review", line)))

    yield review
    stop()


def read(address: str) -> str:
    with closing(urlopen(address, timeout=DEADLINE_S)) as answer:
        return str(answer.read().decode())


def post(page: str, address: str, **values: Any) -> None:
    """Send a form of a page."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    data = urlencode({"csrf_token": token[1], **values}).encode()
    urlopen(Request(address, data), timeout=DEADLINE_S).close()


def test_calls_of_a_scan_are_reviewed_with_their_audio_and_verdicts_are_kept(start: Callable[[], str]) -> None:
    page = start()
    assert page.startswith("http://127.0.0.1:")
    shown = eventually(lambda: text if "spectrogram.png" in (text := read(page)) else "")
    event = re.search(r"/api/events/([0-9a-f-]+)/clip\.flac", shown)
    assert event
    with closing(urlopen(page.replace("/review", event[0]), timeout=DEADLINE_S)) as answer:
        assert answer.read(4) == b"fLaC"
    post(shown, f"{page}/{event[1]}?order=random", verdict="confirmed")
    assert event[1] not in read(page)
    assert "America/New_York" in shown
    again = start()
    assert event[1] not in read(again)
    reviewed = read(again)
    assert "95 % interval" in reviewed
    assert "100 %" in reviewed
    with closing(urlopen(again.replace("/review", "/api/exports/training"), timeout=DEADLINE_S)) as answer:
        files = unzipped(answer.read())
    assert files[f"clips/audio/{event[1]}.flac"].startswith(b"fLaC"), "the clip that was heard is in the training set"


def test_pages_refuse_names_of_other_computers(start: Callable[[], str]) -> None:
    """A page on the internet that resolves its own name to 127.0.0.1 must not read the journal."""
    page = start()
    request = Request(page, headers={"Host": "frogs.example.org"})
    with pytest.raises(OSError, match="403"):
        urlopen(request, timeout=DEADLINE_S)
