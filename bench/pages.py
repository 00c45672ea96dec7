"""How long the base station takes for each page: `.venv/bin/python bench/pages.py [--nights 120] [--copies 16]`.

A made-up season is put straight into a new database (SQLite, or what --database names, which must be empty), and each
page is asked for in this process, without a browser. Each call is there `copies` times, under ids of its own: that is
faster than to make up as many. 120 nights and 16 copies are about 2.4 million calls.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import season
from sqlalchemy import Engine, func, select, text
from starlette.testclient import TestClient

from anura_base import rollup
from anura_base.database import open_database
from anura_base.tables import events
from anura_base.web import create_app

PAGES = (
    "/",
    "/network",
    "/species",
    "/species?first={first}",
    "/species?view=sunset",
    "/species?view=clock&first={first}",
    "/species?species=Boana+faber",
    "/night?site=mata-1",
    "/anomalies",
    "/review?species=Boana+faber",
    "/review?species=Boana+faber&order=highest",
)

TIMES = 5


def main() -> None:
    """Fill a database, ask for each page, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=120)
    parser.add_argument("--copies", type=int, default=16)
    parser.add_argument("--database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(options.database or f"sqlite:///{Path(folder) / 'base.db'}")
        rollup.prepare(engine)
        now = datetime.now(UTC)
        _timed("filled in", lambda: _fill(engine, now, options.nights, options.copies))
        _timed("summed up in", lambda: rollup.refresh(engine))
        with engine.connect() as connection:
            print(f"{connection.scalar(select(func.count()).select_from(events)):,} calls, {options.nights} nights\n")
        quiet = SimpleNamespace(commits=0, healthy=True)
        app = create_app(engine, quiet, SimpleNamespace(connected=True), threading.Event(), sites=season.SITES)
        client = TestClient(app, base_url="http://127.0.0.1", headers={"Host": "127.0.0.1"})
        first = datetime.fromtimestamp(now.timestamp() - options.nights * 86_400, UTC).date()
        print(f"{'page':<40} {'median ms':>10} {'kB':>8}")
        for page in PAGES:
            path = page.format(first=first)
            took = [_ask(client, path) for _ in range(TIMES)]
            print(f"{path:<40} {statistics.median(t for t, _ in took):>10.0f} {took[0][1] / 1e3:>8.0f}")
        engine.dispose()


def _fill(engine: Engine, now: datetime, nights: int, copies: int) -> None:
    season.fill(engine, now, nights, intensity=3.0)
    names = ", ".join(column.name for column in events.columns if column.name not in {"arrival", "id"})
    new_id = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()"}[engine.dialect.name]
    with engine.begin() as connection:
        several = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {copies - 1})"
        connection.execute(text(f"{several} INSERT INTO events (id, {names}) SELECT {new_id}, {names} FROM events, n"))


def _timed(what: str, work: Callable[[], object]) -> None:
    begin = time.perf_counter()
    work()
    print(f"{what} {time.perf_counter() - begin:.0f} s")


def _ask(client: TestClient, path: str) -> tuple[float, int]:
    begin = time.perf_counter()
    answer = client.get(path)
    took = (time.perf_counter() - begin) * 1e3
    answer.raise_for_status()
    return took, len(answer.content)


if __name__ == "__main__":
    main()
