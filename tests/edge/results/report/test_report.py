"""The page of a report: what its cells mean, and that no text of the data can change it."""

import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest

from anura_edge.errors import ConfigError
from anura_edge.results.report.charts import bars, curves, heatmap, legend
from anura_edge.results.report.grid import RateGrid, make_grid
from anura_edge.results.report.page import STYLE, ExampleClip, Report, report_html
from anura_edge.results.report.plots import write_plots
from anura_edge.results.rows import Bout
from anura_edge.results.tables.hourly import SpeciesHour
from anura_edge.wire import Owner

HOSTILE = '<script>alert("x")</script>&\'"'


def row(species: str, hour: int, bouts: int, effort_h: float = 1.0, site: str = "pond") -> SpeciesHour:
    return SpeciesHour(site, date(2026, 11, 20), hour, species, effort_h, bouts)


def grid(*rows: SpeciesHour) -> RateGrid:
    return make_grid(rows, lambda each: each.species, lambda each: str(each.hour), ["0", "1", "2"])


@pytest.fixture
def report() -> Report:
    cells = grid(row(HOSTILE, 0, 3), row(HOSTILE, 1, 0), row("Boana faber", 0, 9))
    start = datetime(2026, 11, 20, 22, tzinfo=UTC)
    bout = Bout(UUID(int=1), Owner(HOSTILE), "LOW", HOSTILE, "", 0.9, start, start, "f00d", HOSTILE, 0, 9, 8_000)
    return Report(
        *(HOSTILE, [HOSTILE], cells, cells, cells, {HOSTILE: [1, 0, 0, 1]}, {HOSTILE: 2.0}, {HOSTILE: 1.0}),
        *({HOSTILE: 3}, [ExampleClip(bout, b"fLaC", b"\x89PNG")]),
    )


def test_rates_are_calls_over_the_effort_of_all_sites() -> None:
    cells = grid(row("A", 0, 3), row("A", 0, 1, 3.0, "river"), row("B", 0, 9)).cells
    assert cells["A", "0"].rate == 1.0


def test_unsampled_zero_and_present_do_not_look_alike() -> None:
    drawn = heatmap(grid(row("A", 0, 3), row("A", 1, 0)), "title")
    kinds = re.findall(r'<g><title>A, (\d): ([^<]*)</title><rect class="(\w+)"', drawn)
    assert [(hour, kind) for hour, _, kind in kinds] == [("0", "h8"), ("1", "h0"), ("2", "none")]
    assert drawn.count('class="zero"') == 1, "a cell without calls has a dot, so it does not look like paper"
    assert "not sampled" in kinds[2][1]
    assert len(set(re.findall(r"\.(?:none|h0|h8) \{ fill: ([^;]*);", STYLE))) == 3


def test_a_line_has_a_gap_where_nothing_was_sampled() -> None:
    assert curves(grid(row("A", 0, 3), row("A", 2, 1)), "title", "hour").count("<polyline") == 2
    assert curves(grid(row("A", 0, 3), row("A", 1, 0), row("A", 2, 1)), "title", "hour").count("<polyline") == 1


def test_hostile_text_is_escaped_everywhere(report: Report) -> None:
    page = report_html(report)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 10
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "default-src 'none'" in page


def test_charts_without_calls_are_drawn() -> None:
    nothing = RateGrid([], [], {})
    for drawn in (heatmap(nothing, "t"), legend(nothing), curves(nothing, "t", "x"), bars({}, "t", "h")):
        assert drawn.startswith(("<svg", "<ul"))


def test_png_charts_are_written(report: Report, tmp_path: Path) -> None:
    write_plots(report, tmp_path / "png")
    files = sorted((tmp_path / "png").iterdir())
    assert [file.name for file in files] == ["heatmap.png", "hours.png", "sunset.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_png_charts_without_matplotlib_name_the_extra(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"install anura-edge\[plots\]"):
        write_plots(report, tmp_path / "png")
