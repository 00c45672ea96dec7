"""Gives the shards to the workers of a Dask cluster, a few at a time, and stores each part that returns."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Event

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
        workers = LocalCluster(n_workers=int(number), threads_per_worker=1)
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

    def run(self, shards: Iterable[Shard], stop: Event) -> None:
        """Analyse each shard that has no part yet. Return early if `stop` is set."""
        waiting = (shard for shard in shards if not self._parts.has(shard.key(self._job.key)))
        while not stop.is_set():
            while len(self._running) < self._room() and (shard := next(waiting, None)):
                self._submit(shard)
            if not self._running:
                return
            try:
                self._take(self._done.get(timeout=1))
            except Empty:
                continue

    def _room(self) -> int:
        threads: dict[str, int] = self._client.nthreads()
        return SHARDS_AHEAD * max(1, sum(threads.values()))

    def _submit(self, shard: Shard) -> None:
        key = f"shard-{shard.key(self._job.key)}"
        self._running[key] = shard
        # Not pure: Dask would otherwise derive the key from the arguments.
        future = self._client.submit(self._analyse, self._job, shard.files, key=key, pure=False)
        future.add_done_callback(self._done.put)

    def _take(self, future: Future) -> None:
        shard = self._running.pop(future.key)
        content = encode(self._one_by_one(shard)) if _has_lost_workers(future) else future.result()
        self._parts.add(shard.key(self._job.key), content)

    def _one_by_one(self, shard: Shard) -> Iterator[FileResult]:
        """Analyse each file by itself, and set aside those that end their workers, as by using up the memory."""
        log.warning("several workers ended on %d files; they are analysed one by one", len(shard.files))
        for file in shard.files:
            future = self._client.submit(self._analyse, self._job, (file,), pure=False)
            if _has_lost_workers(future):
                log.warning("worker_lost: %s", file.location)
                yield lost_result(file)
            else:
                yield from decode(future.result())


def _has_lost_workers(future: Future) -> bool:
    """Wait for a future. Return whether Dask gave up on it, because several workers ended on it in a row."""
    return isinstance(future.exception(), KilledWorker)
