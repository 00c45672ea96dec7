"""The pages of a large network: `.venv/bin/python bench/pages.py [--devices 20] [--sites 100] [--events 100000]`.

It makes a database (`network_database`), starts a real `anura-base run` with a broker, and requests each page five
times over HTTP. The table has the slowest request, the CPU time of one request, and the size. Then `--viewers` keep a
page open, as a browser does, for a minute in which nothing arrives; the table has the CPU time of the base station.

At full size, `--devices 200 --sites 1000 --events 5000000`, making the database takes some minutes. `--database FILE`
keeps it there, and a second run uses it again; its calls are then older.
"""

import argparse
import asyncio
import re
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

from network_database import NetworkSize, make_database
from season import Base, base_station, page_table
from sqlalchemy import create_engine, select

from anura_base.db.schema import events

from support import Broker, free_port  # isort: skip  (season adds the folder of the tests)

SPECIES = "Pseudacris+crucifer"

PAGES = (
    "",
    "station",
    "calls",
    f"calls?species={SPECIES}&order=loudest",
    "calls/{event}",
    "settings",
    "network",
    "network?group=true",
    "network?show=retired",
    "network/{site}",
    "network/{site}/{device}",
    "species",
    "species?first={first}",
    "species?view=sunset",
    "species?view=clock",
    f"species?species={SPECIES}",
    "species.csv?first={first}",
    "night?site={site}",
    "anomalies",
    "review",
    f"review?species={SPECIES}&order=highest",
    f"review?species={SPECIES}&site={{site}}",
    "review?event={event}",
    "alerts",
    "refused",
    "clocks",
    "audit",
    "users",
    "api/devices",
    "api/events?limit=1000",
    "api/alerts",
    "metrics",
)

VIEWED = {"": ("stream", ["station"]), "network": ("", ["station", "network"])}
"""Pages with live updates: the stream that stays open, and what the page requests every POLL_S seconds."""

POLL_S = 15.0
WATCHED_S = 60.0


async def _watch(url: str, stream: str, polled: list[str], ready: asyncio.Barrier) -> None:
    """Keep one page open: its stream, and its requests at intervals."""
    host, port = urlsplit(url).hostname, urlsplit(url).port

    async def request(path: str) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET /{path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        while await reader.read(1 << 16):
            pass
        writer.close()

    async def poll() -> None:
        while True:
            await asyncio.sleep(POLL_S)
            await asyncio.gather(*map(request, polled))

    tasks = [asyncio.create_task(poll())]
    if stream:
        tasks.append(asyncio.create_task(request(stream)))
    await ready.wait()
    await asyncio.sleep(POLL_S + WATCHED_S + 1)
    for task in tasks:
        task.cancel()


async def _cpu_of_viewers(base: Base, page: str, viewers: int) -> float:
    """Return the share of a core that the base station uses while `viewers` look at a page."""
    stream, polled = VIEWED[page]
    ready = asyncio.Barrier(viewers + 1)
    tasks = []
    for _ in range(viewers):  # one after the other, as people open a page
        tasks.append(asyncio.create_task(_watch(base.url, stream, polled, ready)))
        await asyncio.sleep(POLL_S / viewers)
    await ready.wait()
    used, began = base.cpu_s, perf_counter()
    await asyncio.sleep(WATCHED_S)
    share = (base.cpu_s - used) / (perf_counter() - began)
    await asyncio.gather(*tasks)
    return share


def viewers_table(base: Base, viewers: int) -> None:
    """Print the CPU time of each live page with many viewers."""
    print(f"| page with {viewers} viewers, nothing arrives | of a core |\n|---|--:|")
    for page in VIEWED:
        print(f"| /{page} | {asyncio.run(_cpu_of_viewers(base, page, viewers)):.1%} |", flush=True)


def _newest(url: str) -> dict[str, str]:
    engine = create_engine(url)
    c = events.c
    with engine.connect() as connection:
        row = connection.execute(select(c.site, c.device, c.id).order_by(c.arrival.desc()).limit(1)).one()
    engine.dispose()
    return {"site": row.site, "device": row.device, "event": str(row.id)}


def main() -> None:
    """Run the benchmark, and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--database", type=Path)
    parser.add_argument("--only", default="", help="regular expression of the pages to request")
    options = parser.parse_args()
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        file = options.database or folder / "base.db"
        url = f"sqlite:///{file}"
        if not file.exists():
            began = perf_counter()
            make_database(file, NetworkSize(options.devices, options.sites, options.events), now)
            print(
                f"database of {file.stat().st_size / 1e6:,.0f} MB made in {perf_counter() - began:.0f} s\n", flush=True
            )
        values = {"first": f"{now - timedelta(days=99):%Y-%m-%d}", **_newest(url)}
        broker = Broker(folder, free_port(), "allow_anonymous true\n")
        broker.start()
        try:
            with base_station(folder, url, broker.port) as base:
                page_table(base, [page.format(**values) for page in PAGES if re.search(options.only, page)])
                print(f"\nmemory after the pages {base.memory_mb('VmRSS'):.0f} MB\n", flush=True)
                if options.viewers:
                    viewers_table(base, options.viewers)
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
