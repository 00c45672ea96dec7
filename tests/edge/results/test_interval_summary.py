"""The summary of an interval equals a count of the seconds of its minutes."""

import json
import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anura_edge.audio import ClockSource
from anura_edge.cli.main import app
from anura_edge.events import Effort, EffortState, Event, effort_id, event_id
from anura_edge.inference.bundle import DEFAULT_BUNDLE, STREAM_BUNDLE, load_bundle
from anura_edge.store.journal import Journal
from anura_edge.updates.slots import ModelSlots
from anura_edge.wire import Owner, Provenance
from anura_edge.wire.summary import SpeciesSummary, decode_summary

BEGIN, RATE_HZ, MODEL = datetime(2026, 11, 20, 22, tzinfo=UTC), 8_000, "5f" * 32


def install_with_other_labels(state: Path) -> list[str]:
    """Install a bundle whose labels are in the opposite order. Return their codes."""
    slots = ModelSlots(state / "models")
    with slots.staging() as folder:
        staged = Path(shutil.copytree(STREAM_BUNDLE, folder / "bundle"))
        manifest = json.loads((staged / "manifest.json").read_bytes())
        manifest["labels"].reverse()
        (staged / "manifest.json").write_text(json.dumps(manifest))
        slots.install(staged, manifest["id"], manifest["version"])
    return [label["code"] for label in manifest["labels"]]


@pytest.mark.parametrize("is_installed", [False, True], ids=["own bundle", "installed bundle"])
def test_command_prints_the_minutes_of_the_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_installed: bool
) -> None:
    labels = [label.code for label in load_bundle(DEFAULT_BUNDLE).manifest.labels]
    labels = install_with_other_labels(tmp_path / "state") if is_installed else labels
    bouts = [(labels[3], -30, 70), (labels[3], 130, 140), (labels[5], 3_590, 3_700), (labels[5], 4_000, 4_001)]
    path = tmp_path / "state/journal.db"
    path.parent.mkdir(exist_ok=True)
    with closing(Journal(path, Owner("pond", "one"))) as journal:
        events = [
            Event(
                event_id("r", number, label, MODEL),
                *(label, "Rana", "r", "r.wav", number, number + 1, RATE_HZ),
                *(BEGIN + timedelta(seconds=start), BEGIN + timedelta(seconds=stop), ClockSource.GPS, 0.9, 0.5, -30.0),
            )
            for number, (label, start, stop) in enumerate(bouts)
        ]
        start, samples = BEGIN + timedelta(minutes=10), 100 * 60 * RATE_HZ
        effort = Effort(
            effort_id("r", 0, EffortState.ANALYSED, MODEL),
            *("r", "r.wav", EffortState.ANALYSED, 0, samples, RATE_HZ, start, ClockSource.GPS),
        )
        journal.commit(events, [effort], Provenance("m", "1", MODEL, "c", "0"))
    monkeypatch.setenv("ANURA__STATE_DIR", str(path.parent))
    result = CliRunner().invoke(app, ["summary", "--minutes", "60", "--until", "2026-11-20T23:00:00"])
    assert result.exit_code == 0, result.output
    as_json = CliRunner().invoke(app, ["summary", "--until", "2026-11-20T23:00:00", "--json"])
    assert json.loads(as_json.output)["hex"] == result.output.strip()
    assert [each["label"] for each in json.loads(as_json.output)["species"]] == [labels[3], labels[5]]
    summary = decode_summary(bytes.fromhex(result.output.strip()))
    # 60 s of the first minute, 10 s of the second and of the third; 10 s of the last.
    assert summary.species == (SpeciesSummary(3, 3, 3), SpeciesSummary(5, 1, 1))
    assert (summary.begin_utc, summary.length_min, summary.analysed_min) == (BEGIN, 60, 50)
    assert (summary.clock, summary.is_cut) == (ClockSource.GPS, False)
