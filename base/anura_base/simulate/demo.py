"""The demo of the base station: a broker, a base station and a small season, in a temporary folder."""

import getpass
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Thread
from zoneinfo import ZoneInfo

from anura_base import server
from anura_base.config.alerts import AlertSettings
from anura_base.config.settings import MqttSettings, Settings, WebSettings
from anura_base.simulate.fleet import SITES, ZONE
from anura_base.simulate.messages import season_messages
from anura_base.simulate.sender import FleetSender
from anura_edge.errors import AnuraError, ConfigError
from anura_edge.events import night_of_local_time

log = logging.getLogger(__name__)

TIMEOUT_S = 20.0

CALENDAR_DATE = date(2026, 6, 15)
"""The last night of the demo has the frogs of this date, on any day of the year."""


ALERTS = AlertSettings.model_validate(
    {
        "rules": {
            "first-of-the-night": {"when": "first_call_of_night", "species": ["HYLCIN", "GASCAR"]},
            "unwell": {"when": "device_health", "clock_not_synchronised": True, "any_problem": True},
            "idle": {"when": "effort_low", "below_ratio": 0.5},
        }
    }
)
"""Rules for the page of alerts. There are no channels, so nothing is sent."""


def run_demo(web: WebSettings, devices: int, nights: int, seed: int, echo: Callable[[str], None]) -> None:
    """Run a base station with a season that ended last night, until SIGINT or SIGTERM.

    Raises ConfigError if mosquitto is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="anura-base-demo-") as folder, _broker(Path(folder)) as port:
        settings = Settings(
            state_dir=Path(folder),
            mqtt=MqttSettings(port=port, client_id="anura-base-demo"),
            web=web,
            sites=SITES,
            alerts=ALERTS,
        )

        def ready(address: str) -> None:
            echo(f"anura-base: {address} shows a simulated season")
            Thread(target=_send_season, args=(port, devices, nights, seed, echo), daemon=True).start()

        server.run(settings, ready)


def _send_season(port: int, devices: int, nights: int, seed: int, echo: Callable[[str], None]) -> None:
    began = time.monotonic()
    try:
        fleet = FleetSender("127.0.0.1", port)
        sent = fleet.send_all(
            season_messages(devices, nights, seed, last_complete_night(datetime.now(UTC)), CALENDAR_DATE)
        )
        fleet.close()
    except AnuraError as error:
        log.warning("the season is incomplete: %s", error)
        return
    took_s = time.monotonic() - began
    received = f"{sent.events:,} calls of {nights} nights from {devices} devices were received in {took_s:.0f} s"
    echo(f"{received}. Stop with Ctrl-C.")


def last_complete_night(now: datetime) -> date:
    """Return the date of the last night that is over at the simulated sites, at the time `now`."""
    return night_of_local_time(now.astimezone(ZoneInfo(ZONE))) - timedelta(days=1)


@contextmanager
def _broker(folder: Path) -> Iterator[int]:
    mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not mosquitto:
        raise ConfigError("mosquitto is not installed; install it with `sudo apt install mosquitto`")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {getpass.getuser()}\n", encoding="utf-8")
    with (folder / "mosquitto.log").open("wb") as output:
        # In its own process group, so that Ctrl-C ends the base station first and the broker after it.
        process = subprocess.Popen([mosquitto, "-c", str(config)], stderr=output, process_group=0)  # noqa: S603
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # mosquitto gives no sign when it listens
    raise ConfigError(f"mosquitto does not start on port {port}; run it in a terminal to see the error")
