"""A scan on a cluster gives the rows of a scan on one machine, whatever happens to its workers."""

import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as Stop
from typing import Any

import cloudpickle
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile as sf
from distributed import Client
from support import free_port

import anura_edge.cluster.plan as plan_module
from anura_edge.app.device import DeviceRuntime
from anura_edge.audio import FloatArray
from anura_edge.cluster.archive import ArchiveFile, list_archive
from anura_edge.cluster.dispatch import ShardRun, connect
from anura_edge.cluster.merge import EFFORT, EVENTS, SET_ASIDE
from anura_edge.cluster.part import PartStore, decode
from anura_edge.cluster.plan import read_plan
from anura_edge.cluster.scan import PARTS, PLAN, ArchiveScan
from anura_edge.cluster.worker import AnalysisJob, analyse_shard
from anura_edge.config.analysis import AudioSettings, ModelSettings
from anura_edge.config.device import Config
from anura_edge.sources.files.scan import ignore_skipped, scan
from anura_edge.store.rows import column_dicts

RATE_HZ = 8_000
OWN = {"checksum", "withdrawn", "analysis"}
"""Columns that differ from run to run, or that the tables do not contain."""

# The workers cannot import a test.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect("local:2") as client:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        yield client


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory, two_calls: Callable[..., FloatArray]) -> Path:
    """Calls in two folders, with a copy, a part of a recording, and files that are unreadable or not audio."""
    card = tmp_path_factory.mktemp("card")
    for folder in ("one", "two"):
        (card / folder).mkdir()
        for minute in range(3):
            noise = np.random.default_rng([minute, len(folder), ord(folder[0])]).normal(0, 0.01, (len(two_calls()), 1))
            sf.write(card / folder / f"A_20261120_19{minute:02}00.wav", two_calls() + noise.astype(np.float32), RATE_HZ)
    whole = (card / "two" / "A_20261120_190000.wav").read_bytes()
    (card / "one" / "part.wav").write_bytes(whole[: len(whole) // 2])
    (card / "two" / "copy.wav").write_bytes(whole)
    (card / "two" / "empty.wav").touch()
    (card / "two" / "note.txt").write_text("a note")
    return card


@pytest.fixture
def config(tmp_path: Path, stream_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(plan_module, "SHARD_FILES", 2)
    return Config(
        state_dir=tmp_path / "state", model=ModelSettings(bundle=stream_path), audio=AudioSettings(utc_offset="-03:00")
    )


def scan_archive(client: Client, archive: str, out: Path, config: Config) -> Any:
    archive_scan = ArchiveScan(archive, out, config, Stop())
    files = archive_scan.plan()
    archive_scan.run(client)
    return archive_scan.merge(files, 0.0)


def table(out: Path, name: str) -> list[dict[str, Any]]:
    rows = pq.read_table(out / name).to_pylist()
    return [{key: str(value) for key, value in row.items() if key not in OWN} for row in rows]


def test_rows_equal_those_of_one_process(client: Client, card: Path, tmp_path: Path, config: Config) -> None:
    summary = scan_archive(client, str(card), tmp_path / "out", config)

    with DeviceRuntime(config, lambda _: None, Stop()) as runtime:
        runtime.scan_files(scan(card))
        for name, kind in ((EVENTS, "event"), (EFFORT, "effort")):
            with runtime.journal.database.reading() as db:
                stored = list(column_dicts(db.execute(f"SELECT * FROM {kind} ORDER BY start_utc, id")))
            assert [row["id"] for row in stored] == [row["id"] for row in table(tmp_path / "out", name)]
            for mine, theirs in zip(table(tmp_path / "out", name), stored, strict=True):
                texts = {key for key, value in theirs.items() if isinstance(value, str) and not key.endswith("_utc")}
                assert {key: mine[key] for key in texts - OWN} == {key: theirs[key] for key in texts - OWN}
    assert (summary.new, summary.known, summary.events) == (
        runtime.summary.new,
        runtime.summary.known,
        runtime.summary.events,
    )
    assert summary.unreadable == runtime.summary.unreadable == {"empty": 1, "truncated": 1}
    assert [row["reason"] for row in table(tmp_path / "out", SET_ASIDE)] == ["truncated", "empty"]


def test_second_run_analyses_and_writes_nothing(client: Client, card: Path, tmp_path: Path, config: Config) -> None:
    out = tmp_path / "out"
    scan_archive(client, str(card), out, config)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != PLAN}
    again = ArchiveScan(str(card), out, config, Stop())
    files = again.plan()

    assert again.is_done()
    assert (again.merge(files, 0.0).known, files) == (10, 10)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != PLAN} == before


def test_new_folder_changes_no_other_shard(card: Path, tmp_path: Path, config: Config) -> None:
    grown = tmp_path / "grown"
    shutil.copytree(card, grown)
    out = tmp_path / "out"

    def keys() -> set[str]:
        ArchiveScan(str(grown), out, config, Stop()).plan()
        return {shard.key("") for shard in read_plan(out / PLAN)}

    before = keys()
    shutil.copytree(grown / "two", grown / "between")
    assert before < keys()


def test_plan_contains_each_file_once_with_its_start_and_duration(card: Path, tmp_path: Path, config: Config) -> None:
    ArchiveScan(str(card), tmp_path / "out", config, Stop()).plan()
    shards = list(read_plan(tmp_path / "out" / PLAN))
    assert [file for shard in shards for file in shard.files] == list(list_archive(str(card), ignore_skipped))
    rows = {row["name"]: row for row in pq.read_table(tmp_path / "out" / PLAN).to_pylist()}
    first = rows["one/A_20261120_190000.wav"]
    assert f"{first['start_utc']:%H:%M}" == "22:00"
    assert first["duration_s"] == sf.info(card / "one" / "A_20261120_190000.wav").duration
    assert rows["two/note.txt"]["duration_s"] is None


def test_killed_worker_costs_no_row(client: Client, card: Path, tmp_path: Path, config: Config) -> None:
    mark = tmp_path / "killed"

    def killed_once(job: AnalysisJob, files: tuple[ArchiveFile, ...]) -> bytes:
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return analyse_shard(job, files)

    scan_archive(client, str(card), tmp_path / "calm", config)
    out = tmp_path / "out"
    archive_scan = ArchiveScan(str(card), out, config, Stop())
    files = archive_scan.plan()
    ShardRun(client, archive_scan.job, PartStore(out / PARTS), killed_once).run(read_plan(out / PLAN), Stop())
    archive_scan.merge(files, 0.0)
    assert mark.exists()
    for name in (EVENTS, EFFORT, SET_ASIDE):
        assert table(out, name) == table(tmp_path / "calm", name)


def test_file_that_ends_its_workers_is_set_aside(client: Client, card: Path, tmp_path: Path, config: Config) -> None:
    def deadly(job: AnalysisJob, files: tuple[ArchiveFile, ...]) -> bytes:
        if any(file.name == "one/part.wav" for file in files):
            os.kill(os.getpid(), signal.SIGKILL)
        return analyse_shard(job, files)

    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    archive_scan = ArchiveScan(str(card), tmp_path / "out", config, Stop())
    archive_scan.plan()
    parts = PartStore(tmp_path / "out" / PARTS)
    shards = list(read_plan(tmp_path / "out" / PLAN))
    ShardRun(client, archive_scan.job, parts, deadly).run(shards, Stop())
    results = [each for shard in shards for each in parts.read(shard.key(archive_scan.job.key))]
    assert len(results) == 10
    reasons = {each.name: each.reason for each in results if each.reason}
    assert reasons == {"one/part.wav": "worker_lost", "two/empty.wav": "empty", "two/note.txt": "other_file"}


def test_interrupted_file_is_analysed_by_the_next_run(card: Path, config: Config, tmp_path: Path) -> None:
    job = ArchiveScan(str(card), tmp_path / "out", config, Stop()).job
    [file, *_] = list_archive(str(card), ignore_skipped)
    gone = ArchiveFile(file.path + b"gone", file.name, file.size, file.mtime_ns)
    parts = PartStore(tmp_path / PARTS)
    parts.add("key", analyse_shard(job, (file, gone)))
    assert not parts.has("key")
    assert [result.reason for result in parts.read("key")] == ["", "interrupted"]
    parts.add("key", analyse_shard(job, (file,)))
    assert parts.has("key")


def test_part_returns_what_was_stored(card: Path, config: Config, tmp_path: Path) -> None:
    job = ArchiveScan(str(card), tmp_path / "out", config, Stop()).job
    [file, *_] = list_archive(str(card), ignore_skipped)
    [one], [two] = decode(analyse_shard(job, (file,))), decode(analyse_shard(job, (file,)))
    assert one.events
    assert one.identity == two.identity
    assert (one.recording, one.events, one.efforts) == (two.recording, two.events, two.efforts)


def test_object_store_gives_the_rows_of_the_folder(
    card: Path, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_module = pytest.importorskip("moto.server")
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("s3fs")
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        store = fsspec.filesystem("s3")
        store.mkdir("frogs")
        store.put(str(card), "frogs/card", recursive=True)
        results = {}
        for archive in ("s3://frogs/card", str(card)):
            archive_scan = ArchiveScan(archive, tmp_path / "out", config, Stop())
            archive_scan.plan()
            for shard in read_plan(tmp_path / "out" / PLAN):
                for each in decode(analyse_shard(archive_scan.job, shard.files)):
                    results.setdefault(each.name, []).append((each.identity, each.events, each.efforts, each.reason))
        assert len(results) == 10
        assert [remote[-1] for remote, _ in results.values()] == [local[-1] for _, local in results.values()]
        # A file without a time in its name has the time of its upload.
        named = [each for name, each in results.items() if "2026" in name]
        assert all(remote == local and remote[1] for remote, local in named)
        assert len(named) == 6
    finally:
        server.stop()
