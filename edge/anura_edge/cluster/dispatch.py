"""Gives the shards to the workers of a Dask cluster, a few at a time, and stores each part that returns."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Event

import dask
from distributed import Client, Future, KilledWorker, LocalCluster

from anura_edge.cluster.archive import ArchiveFile
from anura_edge.cluster.part import FileResult, PartStore, decode, encode
from anura_edge.cluster.plan import Shard
from anura_edge.cluster.worker import AnalysisJob, analyse_shard, lost_result
from anura_edge.errors import ConfigError, SourceError

log = logging.getLogger(__name__)

SHARDS_AHEAD = 3
"""Shards per thread of a worker that the scheduler has: a worker never waits, and memory does not grow with the plan.
Workers may come and go."""

CONNECT_S = 30.0

RESTART = "1 hour"
"""How long a worker on this machine may take to start again after it was lost. After Dask's 15 s, which a busy machine
exceeds, `LocalCluster` gives the worker up and starts no other."""

Analyse = Callable[[AnalysisJob, tuple[ArchiveFile, ...]], bytes]


@contextmanager
def connect(cluster: str) -> Iterator[Client]:
    """Connect to a scheduler, or start one with workers on this machine for `local:N`.

    Raises ConfigError for a wrong address, SourceError if no scheduler answers.
    """
    logging.getLogger("distributed").setLevel(logging.WARNING)
    kind, _, number = cluster.partition(":")
    if kind == "local":
        if not number.isdecimal() or not 1 <= int(number) <= 256:
            raise ConfigError(f"--cluster {cluster!r}: write local:N with 1 to 256 workers, or tcp://HOST:8786")
        with dask.config.set({"distributed.deploy.lost-worker-timeout": RESTART}):
            # The page is for this machine only, at a free port: several scans may run.
            workers = LocalCluster(n_workers=int(number), threads_per_worker=1, dashboard_address="127.0.0.1:0")
            with workers, Client(workers) as client:
                yield client
        return
    try:
        client = Client(cluster, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise SourceError(f"no Dask scheduler at {cluster}: {error}; start `dask scheduler` there") from error
    with client:
        yield client


class ShardRun:
    """Runs shards until all have a part. A worker that is lost costs the time of its shards: others repeat them."""

    def __init__(self, client: Client, job: AnalysisJob, parts: PartStore, analyse: Analyse = analyse_shard) -> None:
        self._client, self._job, self._parts, self._analyse = client, job, parts, analyse
        self._done: SimpleQueue[Future] = SimpleQueue()
        self._running: dict[str, Shard] = {}
        self._suspects: list[Shard] = []

    def run(self, shards: Iterable[Shard], stop: Event) -> None:
        """Analyse each shard that has no part yet. Return early if `stop` is set."""
        waiting = (shard for shard in shards if not self._parts.has(shard.key(self._job.key)))
        while not stop.is_set():
            while len(self._running) < self._room() and (shard := next(waiting, None)):
                self._submit(shard)
            if not self._running:
                self._run_suspects(stop)
                return
            try:
                self._take(self._done.get(timeout=1))
            except Empty:
                continue

    def _room(self) -> int:
        threads: dict[str, int] = self._client.nthreads()
        return SHARDS_AHEAD * max(1, sum(threads.values()))

    def _submit(self, shard: Shard) -> None:
        future = self._client.submit(self._analyse, self._job, shard.files, pure=False)
        self._running[future.key] = shard
        future.add_done_callback(self._done.put)

    def _take(self, future: Future) -> None:
        shard = self._running.pop(future.key)
        if _has_lost_workers(future):
            self._suspects.append(shard)
        else:
            self._parts.add(shard.key(self._job.key), future.result())

    def _run_suspects(self, stop: Event) -> None:
        """Analyse the shards whose workers ended, one file at a time.

        Dask suspects all that is on a worker when it ends. So a file is set aside only if nothing else was running.
        """
        for shard in self._suspects:
            log.warning("several workers ended on %d files; they are analysed one by one", len(shard.files))
            results = list(self._one_by_one(shard, stop))
            if stop.is_set():
                return
            self._parts.add(shard.key(self._job.key), encode(results))

    def _one_by_one(self, shard: Shard, stop: Event) -> Iterator[FileResult]:
        """Set aside the files that end their workers, as by using up the memory."""
        for file in shard.files:
            if stop.is_set():
                return
            future = self._client.submit(self._analyse, self._job, (file,), pure=False)
            if _has_lost_workers(future):
                log.warning("worker_lost: %s", file.location)
                yield lost_result(file)
            else:
                yield from decode(future.result())


def _has_lost_workers(future: Future) -> bool:
    """Wait for a future. Return whether Dask gave up on it, because several workers ended on it in a row."""
    return isinstance(future.exception(), KilledWorker)
