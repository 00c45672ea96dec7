"""Raven finds each selection by either of its rules, over the recordings of several sites."""

from pathlib import Path
from typing import Any

import pytest
from exported import store, table
from sqlalchemy import Engine

from anura_edge.wire import Row

RATE_HZ = 22_050
SITES = ("alder", "birch", "cedar")
NAMES = ("A/1.wav", "B/1.wav")
"""At each site two recordings of equal name, one hour and two hours long."""


@pytest.fixture
def three_sites(engine: Engine, make: Any) -> Engine:
    number = 0
    for site in reversed(SITES):  # the order of arrival is not the order of the paths
        for hours, name in enumerate(NAMES, 1):
            number += 1
            of_file = {"recording": f"b2:{number}", "recording_name": name}
            calls = make.event(1, **of_file), make.event(2, channel=1, **of_file)
            store(engine, *calls, site=site)
            effort: Row = make.effort(3, hours=hours).model_copy(update={**of_file, "analysis": calls[0].analysis})
            store(engine, effort, site=site)
    quiet = make.effort(1, hours=5).model_copy(update={"recording": "b2:q", "recording_name": "AA/1.wav"})
    store(engine, quiet, site="alder")
    return engine


def test_begin_time_counts_through_all_recordings_in_order(three_sites: Engine) -> None:
    lines = table(three_sites, "raven")
    lengths_h = {"alder": (1, 5, 2), "birch": (1, 2), "cedar": (1, 2)}
    begin_s, expected = 0.0, []
    for site in SITES:
        for hours in lengths_h[site]:
            if hours != 5:  # nothing called in it, but it is opened with the others
                expected += [begin_s + 10, begin_s + 20]
            begin_s += hours * 3_600
    assert [float(line["Begin Time (s)"]) for line in lines] == expected
    assert [float(line["End Time (s)"]) for line in lines] == [time + 2 for time in expected]


def test_begin_path_and_offset_find_the_recording(three_sites: Engine, tmp_path: Path) -> None:
    for site in SITES:
        for name in NAMES:
            file = tmp_path / site / "one" / name
            file.parent.mkdir(parents=True)
            file.touch()
    relative, absolute = table(three_sites, "raven"), table(three_sites, "raven", recordings=str(tmp_path))
    assert all((tmp_path / line["Begin Path"]).is_file() for line in relative)
    assert all(Path(line["Begin Path"]).is_absolute() and Path(line["Begin Path"]).is_file() for line in absolute)
    assert len({line["Begin Path"] for line in relative}) == len(SITES) * len(NAMES)
    assert {float(line["File Offset (s)"]) for line in relative} == {10.0, 20.0}


def test_channel_is_the_one_that_was_analysed(three_sites: Engine) -> None:
    assert [line["Channel"] for line in table(three_sites, "raven")][:2] == ["1", "2"]


def test_path_of_a_device_stays_in_the_folder(engine: Engine, make: Any) -> None:
    for number, name in enumerate(("../../etc/passwd", "/etc/passwd", "..\\..\\x.wav", ". ./a.wav"), 1):
        store(engine, make.event(number, recording_name=name, recording=f"b2:{number}"))
    paths = sorted(line["Begin Path"] for line in table(engine, "raven"))
    assert paths == ["pond/one/a.wav", "pond/one/etc/passwd", "pond/one/etc/passwd", "pond/one/x.wav"]
