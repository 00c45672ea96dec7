import re
import signal
import subprocess
import sys
import urllib.request
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from support import DEADLINE_S, eventually, need

from anura_base.simulate.demo import last_complete_night
from anura_base.simulate.fleet import ZONE
from anura_base.simulate.messages import season_messages
from anura_base.simulate.sender import FleetSender

COMMAND = [sys.executable, "-c", "from anura_base.cli.main import main; main()"]


def test_season_sent_twice_is_stored_once(base, broker) -> None:  # noqa: ANN001
    messages = [*season_messages(devices=7, nights=3, seed=5, last_evening=date(2026, 6, 10))]
    events = sum(message.rows for message in messages if message.kind == "event")
    for _ in range(2):
        fleet = FleetSender("127.0.0.1", broker.port)
        assert fleet.send_all(messages).events == events
        fleet.close()
        assert len(base.json("api/events/ids")) == events
    views = eventually(lambda: base.json("api/devices"))
    assert len(views) == 7
    assert all(view["missing"] == 0 for view in views)


def test_demo_serves_its_page_and_stops() -> None:
    need("mosquitto")
    options = ["demo", "--devices", "7", "--nights", "2"]
    process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    url = re.search(r"http://\S+/", process.stdout.readline())
    assert url
    assert " calls of 2 nights from 7 devices" in process.stdout.readline()
    with urllib.request.urlopen(url[0], timeout=DEADLINE_S) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0


def test_missing_broker_is_reported() -> None:
    done = subprocess.run([*COMMAND, "simulate", "--mqtt", "127.0.0.1:9"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "no broker answers at 127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-06-10T15:59:59+00:00", date(2026, 6, 8)),
        ("2026-06-10T16:00:00+00:00", date(2026, 6, 9)),
        ("2026-06-11T00:30:00+02:00", date(2026, 6, 9)),
    ],
)
def test_last_complete_night_is_over_at_the_simulated_sites(now: str, expected: date) -> None:
    night = last_complete_night(datetime.fromisoformat(now))
    assert night == expected
    zone = ZoneInfo(ZONE)
    ends = [datetime.combine(night + timedelta(days=days), time(12), zone) for days in (1, 2)]
    assert ends[0] <= datetime.fromisoformat(now) < ends[1]
