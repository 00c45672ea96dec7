"""The tables that `anura-edge export` writes from a journal, and its messages."""

import io
import os
import signal
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from anura_edge.audio import ClockSource
from anura_edge.cli.main import app
from anura_edge.errors import AnuraError
from anura_edge.events import Effort, EffortState, Event, effort_id, event_id
from anura_edge.store.journal import Journal
from anura_edge.wire import Owner, Provenance

EVENING = datetime(2026, 11, 20, 22, tzinfo=UTC)
"""19:00 in Sao Paulo."""

ZONE = ["--zone", "America/Sao_Paulo", "--latitude", "-22.4", "--longitude", "-47.55"]


def fill(
    path: Path, site: str, provenance: Provenance, *, calls: int, clock: ClockSource = ClockSource.RECORDER
) -> None:
    """Store an hour of effort in the evening of 20 and 22 November, with calls of LOW in the first one."""
    name, rate_hz = f"{site}-{provenance.model_id}-{clock}", 8_000
    starts = [EVENING, EVENING + timedelta(days=2)]
    effort = [
        Effort(
            effort_id(name + str(n), 0, EffortState.ANALYSED, provenance.model_sha256),
            *(name + str(n), "a.wav", EffortState.ANALYSED, 0, 3_600 * rate_hz, rate_hz, start, clock),
        )
        for n, start in enumerate(starts)
    ]
    events = [
        Event(
            event_id(name, n, "LOW", provenance.model_sha256),
            *("LOW", "Tonus gravis", name, "a.wav", n, n + 100, rate_hz),
            *(EVENING + timedelta(minutes=n), EVENING + timedelta(minutes=n, seconds=30), clock),
            *(0.5 + n / 10, 0.5, -30.0),
        )
        for n in range(calls)
    ]
    with closing(Journal(path, Owner(site, "one"))) as journal:
        journal.commit(events, effort, provenance)


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run `anura-edge export` in an empty folder. Return its output."""
    monkeypatch.setenv("ANURA__STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        return CliRunner().invoke(app, ["export", *arguments], catch_exceptions=False).output

    return run


@pytest.fixture
def journal(tmp_path: Path, provenance: Provenance) -> Path:
    path = tmp_path / "state" / "journal.db"
    fill(path, "pond", provenance, calls=3)
    fill(path, "river", provenance, calls=0)
    return path


Export = Callable[..., str]


@pytest.mark.usefixtures("journal")
def test_occupancy_tables_have_ones_zeros_and_missing_nights(export: Export, tmp_path: Path) -> None:
    assert export("occupancy", *ZONE, "--out", "tables") == "3 files in tables\n"
    y = pd.read_csv(tmp_path / "tables" / "detections_Tonus_gravis.csv", index_col="site")
    effort = pd.read_csv(tmp_path / "tables" / "effort_h.csv", index_col="site")
    assert list(y.columns) == ["2026-11-20", "2026-11-21", "2026-11-22"]
    assert y.loc["pond"].fillna(-1).tolist() == [1, -1, 0]
    assert y.loc["river"].fillna(-1).tolist() == [0, -1, 0]
    assert effort.isna().equals(y.isna())


@pytest.mark.usefixtures("journal")
def test_filters_select_rows(export: Export) -> None:
    table = pd.read_csv(io.StringIO(export("nightly", *ZONE, "--site", "pond", "--min-score", "0.55")))
    assert table.bouts.tolist() == [2, 0]
    assert table.minutes_with_calls.tolist() == [2, 0]
    later = pd.read_csv(io.StringIO(export("nightly", *ZONE, "--since", "2026-11-21", "--species", "low")))
    assert set(later.night) == {"2026-11-22"}


@pytest.mark.usefixtures("journal")
def test_sites_table_gives_each_site_its_place(export: Export, tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text(
        "site,latitude,longitude,zone\npond,-22.4,-47.5,America/Sao_Paulo\nriver,,,UTC\n"
    )
    table = pd.read_csv(io.StringIO(export("nightly", "--sites", "sites.csv")))
    assert set(table[table.site == "river"].sunset_utc.isna()) == {True}
    assert table[table.site == "pond"].first_call_local[0] == "2026-11-20T19:00:00-03:00"


def test_only_the_rows_of_the_last_model_count(export: Export, journal: Path, provenance: Provenance) -> None:
    newer = Provenance("new", "2.0.0", "7a" * 32, "c0ffee", "0.1.0")
    fill(journal, "pond", newer, calls=1)
    output = export("nightly", *ZONE, "--site", "pond")
    assert "results of tones 1.0.0 are left out; these are of new 2.0.0" in output
    assert ",1.0,1,1," in output


def test_rows_without_a_known_time_are_counted_and_left_out(
    export: Export, journal: Path, provenance: Provenance
) -> None:
    fill(journal, "pond", provenance, calls=2, clock=ClockSource.UNKNOWN)
    output = export("nightly", *ZONE, "--site", "pond")
    assert "2 calls and 2.0 h of recordings without a known time are left out" in output
    assert ",1.0,3,3," in output


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["occupancy", *ZONE], "name a folder with --out"),
        (["ravens", *ZONE], "the formats are birdnet, raven"),
        (["nightly"], "the time zone of the site pond, river is not known; write --zone"),
        (["nightly", "--zone", "Sao Paulo"], "'Sao Paulo' is not a time zone"),
        (["nightly", *ZONE, "--site", "lake"], "the journal has no such site"),
        (["nightly", *ZONE, "--species", "Rana"], "the journal has no call of it; its species are Tonus gravis"),
        (["nightly", *ZONE, "--since", "2026-11-22", "--until", "2026-11-20"], "exchange the two dates"),
        (["nightly", "--sites", "none.csv"], "name a CSV table of sites"),
        (["nightly", "--sites", "bad.csv"], "bad.csv, line 2: latitude 'north' is not a number from -90 to 90"),
        (["nightly", *ZONE, "--confirmed-only", "bad.csv"], "no column 'id'; write the table with anura-base"),
        (["nightly", *ZONE, "--out", "bad.csv"], "bad.csv exists already"),
    ],
)
def test_wrong_option_has_one_clear_message(export: Export, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "bad.csv").write_text("site,latitude,longitude,zone\npond,north,0,UTC\n")
    with pytest.raises(AnuraError, match=message.replace("(", "[(]")):
        export(*arguments)


@pytest.mark.usefixtures("journal")
def test_confirmed_calls_count_under_the_name_that_a_person_gave(
    export: Export, tmp_path: Path, provenance: Provenance
) -> None:
    name = f"pond-{provenance.model_id}-{ClockSource.RECORDER}"
    ids = [event_id(name, n, "LOW", provenance.model_sha256) for n in range(3)]
    verdicts = [("confirmed", "LOW", "Tonus gravis"), ("relabelled", "HIGH", "Tonus altus"), ("rejected", "LOW", "")]
    lines = [f"{id_},{','.join(verdict)}" for id_, verdict in zip(ids, verdicts, strict=True)]
    (tmp_path / "calls.csv").write_text("\n".join(["id,verdict,label,Scientific name", *lines]))
    table = pd.read_csv(io.StringIO(export("nightly", *ZONE, "--confirmed-only", "calls.csv", "--until", "2026-11-21")))
    found = table[table.site == "pond"]
    assert dict(zip(found.species, found.bouts, strict=True)) == {"Tonus gravis": 1, "Tonus altus": 1}


def test_export_without_a_journal_names_the_scan(export: Export) -> None:
    with pytest.raises(AnuraError, match="analyse recordings with anura-edge scan FOLDER"):
        export("nightly", *ZONE)


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (["season"], "Frog calls, 2026-11-20 to 2026-11-22"),
        (["night"], "Night of 2026-11-22"),
        (["night", "--since", "2026-11-20"], "Night of 2026-11-20"),
        (["species", "--species", "LOW"], "Tonus gravis, 2026-11-20 to 2026-11-22"),
    ],
)
def test_report_is_one_page(export: Export, tmp_path: Path, arguments: list[str], title: str) -> None:
    command = ["report", *arguments, *ZONE, "--out", "report.html"]
    assert CliRunner().invoke(app, command, catch_exceptions=False).output == f"report.html: {title}, 0 clips\n"
    page = (tmp_path / "report.html").read_text()
    assert f"<h1>{title}</h1>" in page
    assert "pond" in page


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["year"], "the reports are season, night, species"),
        (["species"], "name a species with --species"),
        (["night", "--since", "2020-01-01", "--until", "2020-01-02"], "no call in the selected nights"),
    ],
)
def test_report_with_a_wrong_argument_has_one_message(export: Export, arguments: list[str], message: str) -> None:
    with pytest.raises(AnuraError, match=message):
        CliRunner().invoke(app, ["report", *arguments, *ZONE, "--out", "report.html"], catch_exceptions=False)


def kill_in_the_middle(arguments: list[str], files: int) -> None:
    """Run a command in a process that is killed when it has written some files, and one that has no name yet."""
    if not (process := os.fork()):
        renamed, replace, link = [0], Path.replace, os.link

        def count() -> None:
            renamed[0] += 1
            if renamed[0] > files:
                os.kill(os.getpid(), signal.SIGKILL)

        Path.replace = lambda *of: count() or replace(*of)  # type: ignore[assignment, func-returns-value]
        os.link = lambda *of: count() or link(*of)  # type: ignore[func-returns-value]
        CliRunner().invoke(app, arguments)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(process, 0)[1]) == signal.SIGKILL


def files_of(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return the content of each file, and what changes if it is written again."""
    return {
        str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_ino, file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize(
    ("form", "count"), [("occupancy", 3), ("raven --per-recording", 8), ("audacity --per-recording", 8)]
)
def test_killed_export_goes_on_with_the_files_that_are_missing(
    export: Export, tmp_path: Path, provenance: Provenance, form: str, count: int
) -> None:
    for number in range(8):
        fill(tmp_path / "state" / "journal.db", f"site-{number}", provenance, calls=2)
    command = [*form.split(), *ZONE, "--out"]
    export(*command, "whole")
    kill_in_the_middle(["export", *command, "killed"], count // 2)
    complete = {name: file for name, file in files_of(tmp_path / "killed").items() if not name.endswith(".part")}
    assert len(complete) == count // 2
    output = export(*command, "killed")
    after, whole = files_of(tmp_path / "killed"), files_of(tmp_path / "whole")
    assert {name: content for name, (content, *_) in after.items()} == {name: file[0] for name, file in whole.items()}
    assert {name: after[name] for name in complete} == complete
    assert "other files" not in output


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("form", ["csv", "aoef", "camtrap-dp"])
def test_killed_export_of_one_file_leaves_none_and_can_be_repeated(export: Export, tmp_path: Path, form: str) -> None:
    kill_in_the_middle(["export", form, *ZONE, "--out", "calls"], 0)
    assert not (tmp_path / "calls").exists()
    assert "3 calls in calls" in export(form, *ZONE, "--out", "calls")
    assert [*tmp_path.glob("calls*")] == [tmp_path / "calls"]


@pytest.mark.usefixtures("journal")
def test_files_of_recordings_without_calls_are_told(export: Export, tmp_path: Path, provenance: Provenance) -> None:
    fill(tmp_path / "state" / "journal.db", "lake", provenance, calls=2)
    command = ["raven", "--per-recording", *ZONE, "--out", "tables"]
    assert export(*command) == "2 files in tables\n"
    output = export(*command, "--min-score", "0.65")
    assert "tables has 1 other files, as a-2.selections.txt: they are of no recording with calls" in output
