"""Take the screenshots of the base station's pages: `python docs/screenshots.py [--out docs/images] [--all FOLDER]`.

It makes a simulated season in a temporary database, starts a real base station with it, and takes each picture with
chromium, at one width and in one colour scheme. `--all FOLDER` takes every page on a desk and on a phone, light and
dark, for a person to look at.
"""

import argparse
import base64
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import Page, new_page, start_browser  # noqa: E402
from support import free_port  # noqa: E402

from anura_base.analysis import rollup  # noqa: E402
from anura_base.analysis.rollup_triggers import install_triggers  # noqa: E402
from anura_base.db.engine import open_database  # noqa: E402
from anura_base.ingest.batch import ingest  # noqa: E402
from anura_base.ingest.messages import RawMessage  # noqa: E402
from anura_base.simulate.demo import CALENDAR_DATE, last_complete_night  # noqa: E402
from anura_base.simulate.fleet import SITES  # noqa: E402
from anura_base.simulate.messages import season_messages  # noqa: E402
from anura_edge.wire import topic  # noqa: E402

NIGHTS = 40
DEVICES = 7

DESK_PX, PHONE_PX = 1_280, 360
MAX_HEIGHT_PX = 1_600

BASE = "from anura_base.cli.main import main; main()"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the documentation."""

    name: str
    path: str
    width_px: int = DESK_PX
    scheme: str = "light"


PICTURES = (
    Picture("page-network", "network"),
    Picture("page-phone", "network", PHONE_PX),
    Picture("page-species", "species"),
    Picture("page-charts", "charts"),
    Picture("page-charts-phone", "charts?chart=phenology", PHONE_PX, "dark"),
    Picture("page-clock", "charts?chart=clock", DESK_PX, "dark"),
)

PAGES = (
    "", "network", "network/beaver-pond", "species", "species?view=sunset", "night", "anomalies", "alerts",
    "charts", "charts?chart=clock", "charts?chart=phenology", "charts?chart=years", "charts?chart=limits",
    "charts?chart=sites", "charts?chart=accumulation",
)  # fmt: skip


def fill(url: str) -> None:
    """Store a simulated season that ended last night."""
    engine = open_database(url)
    install_triggers(engine)
    now = datetime.now(UTC)
    with engine.begin() as connection:
        for message in season_messages(DEVICES, NIGHTS, 1, last_complete_night(now), CALENDAR_DATE):
            name = topic(message.device.site, message.device.name, message.kind)
            ingest(connection, [RawMessage(name, message.payload, False, now)])
    rollup.refresh(engine)
    engine.dispose()


@contextmanager
def base_station(folder: Path) -> Iterator[str]:
    """Run a base station with a season, and return its address."""
    url = f"sqlite:///{folder / 'base.db'}"
    fill(url)
    sites = {name: site.model_dump(exclude_none=True) for name, site in SITES.items()}
    settings = {"database": url, "mqtt": {"port": free_port()}, "web": {"port": 0}, "sites": sites}
    (folder / "base.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-c", BASE, "run", "--config", str(folder / "base.yaml")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout  # noqa: S101
        found = re.search(r"http://\S+/", process.stdout.readline())
        assert found  # noqa: S101
        yield found[0]
    finally:
        process.terminate()
        process.wait()


def take(page: Page, url: str, picture: Picture, file: Path) -> None:
    """Take one picture of the whole page, at most MAX_HEIGHT_PX high."""
    page.use_scheme(picture.scheme)
    page.show(url + picture.path)
    size = {"width": picture.width_px, "deviceScaleFactor": 1, "mobile": picture.width_px < DESK_PX}
    page.call("Emulation.setDeviceMetricsOverride", height=800, **size)
    page.use_scheme(picture.scheme)
    height = min(int(page.evaluate("document.documentElement.scrollHeight")), MAX_HEIGHT_PX)
    clip = {"x": 0, "y": 0, "width": picture.width_px, "height": height, "scale": 1}
    data = page.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"]
    file.write_bytes(base64.b64decode(data))


def every_page() -> Iterator[Picture]:
    """Yield each page on a desk and on a phone, light and dark."""
    for path in PAGES:
        name = re.sub(r"\W+", "-", path) or "now"
        for width_px in (DESK_PX, PHONE_PX):
            for scheme in ("light", "dark"):
                yield Picture(f"{name}-{width_px}-{scheme}", path, width_px, scheme)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--all", type=Path, help="folder for a picture of every page, width and colour scheme")
    options = parser.parse_args()
    pictures, folder = (every_page(), options.all) if options.all else (PICTURES, options.out)
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        base_station(Path(scratch)) as url,
        start_browser(Path(scratch) / "browser") as connection,
        new_page(connection) as page,
    ):
        page.open("about:blank")
        for picture in pictures:
            take(page, url, picture, folder / f"{picture.name}.png")


if __name__ == "__main__":
    main()
