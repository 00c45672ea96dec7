"""Scans an archive on a Dask cluster: plan, run, merge. A second run repeats nothing."""

import json
import logging
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from threading import Event

import pyarrow.parquet as pq
from distributed import Client

from anura_edge.cluster.archive import list_archive
from anura_edge.cluster.dispatch import ShardRun
from anura_edge.cluster.merge import SET_ASIDE, is_merged, merge
from anura_edge.cluster.part import FileResult, PartStore
from anura_edge.cluster.plan import read_plan, write_plan
from anura_edge.cluster.worker import AnalysisJob
from anura_edge.config.device import Config
from anura_edge.inference.bundle import provenance_of
from anura_edge.store.run_summary import RunSummary
from anura_edge.updates.active import active_bundle, active_settings

log = logging.getLogger(__name__)

PLAN, PARTS = "plan.parquet", "parts"


class ArchiveScan:
    """A scan of one archive into one folder."""

    def __init__(self, archive: str, out: Path, config: Config, stop: Event) -> None:
        """Read the model. Raises ModelError or ConfigError."""
        bundle = active_bundle(config)
        config = config.model_copy(update={"model": active_settings(config), "mqtt": None})  # no password for workers
        self._archive, self._out, self._config, self._stop = archive, out, config, stop
        self.manifest = bundle.manifest
        self._provenance = provenance_of(bundle, config.hash())
        self.job = AnalysisJob(json.dumps(config.effective()), bundle.model_sha256, config.hash())
        self._skipped: list[tuple[str, str, int]] = []
        out.mkdir(parents=True, exist_ok=True)
        self._parts = PartStore(out / PARTS)

    def plan(self) -> int:
        """Write the plan and return the number of files."""

        def skip(reason: str, detail: str, count: int) -> None:
            self._skipped.append((reason, detail, count))

        return write_plan(self._out / PLAN, list_archive(self._archive, skip), self._config.audio.zone)

    def run(self, client: Client) -> None:
        """Analyse each shard of the plan that has no part yet."""
        ShardRun(client, self.job, self._parts).run(read_plan(self._out / PLAN), self._stop)

    def is_done(self) -> bool:
        """Return whether each shard has its part. One with an interrupted file is analysed again."""
        return all(self._parts.has(key) for key in self._keys())

    def merge(self, files: int, began_s: float) -> RunSummary:
        """Merge the parts if the tables do not contain them already. Return what the archive contains."""
        state = self._state()
        if is_merged(self._out, state):
            summary = RunSummary(known=files, known_unreadable=pq.read_metadata(self._out / SET_ASIDE).num_rows)
        else:
            summary = merge(self._out, state, self._results(), self._provenance, self._config.device.owner)
            summary.elapsed_s = time.monotonic() - began_s
        for reason, detail, count in self._skipped:
            log.warning("%s: %s", reason, detail)
            summary.add_left(reason, count)
        return summary

    def _keys(self) -> Iterator[str]:
        return (shard.key(self.job.key) for shard in read_plan(self._out / PLAN))

    def _results(self) -> Iterator[FileResult]:
        for key in self._keys():
            yield from self._parts.read(key)

    def _state(self) -> str:
        """Identify the parts of the plan. Parts with interrupted files are never merged for good."""
        digest = blake2b(digest_size=16)
        for key in self._keys():
            digest.update(f"{key}{'' if self._parts.has(key) else time.time_ns()}".encode())
        return digest.hexdigest()
