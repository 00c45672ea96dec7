"""A season of a made-up network, put straight into a base station's database."""

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, insert

from anura_base.config import Site
from anura_base.tables import devices, effort, events, health
from anura_edge.wire import Health

SITES = {
    "mata-1": Site(title="Mata, upper pond", latitude_deg=-22.412, longitude_deg=-47.551, zone="America/Sao_Paulo"),
    "mata-2": Site(title="Mata, lower pond", latitude_deg=-22.431, longitude_deg=-47.532, zone="America/Sao_Paulo"),
    "brejo": Site(title="Brejo", latitude_deg=-22.447, longitude_deg=-47.583, zone="America/Sao_Paulo"),
    "rio-claro": Site(title="Rio Claro", latitude_deg=-22.395, longitude_deg=-47.601, zone="America/Sao_Paulo"),
}

# Species, calls per hour at its best, hour since sunset when it calls most, spread of that in hours.
FROGS = (
    ("Physalaemus cuvieri", "PHYCUV", 60, 2.0, 2.5),
    ("Boana faber", "BOAFAB", 35, 3.5, 2.0),
    ("Dendropsophus minutus", "DENMIN", 45, 1.5, 1.5),
    ("Leptodactylus fuscus", "LEPFUS", 20, 0.5, 1.2),
    ("Scinax fuscovarius", "SCIFUS", 18, 5.0, 2.5),
    ("Rhinella icterica", "RHIICT", 9, 4.0, 3.0),
    ("Boana albopunctata", "BOAALB", 25, 2.5, 2.0),
    ("Odontophrynus americanus", "ODOAME", 4, 6.0, 3.0),
    ("Vitreorana uranoscopa", "VITURA", 1.5, 7.0, 2.0),
)

SUNSET_HOUR_UTC = 21.5


def fill(engine: Engine, last: datetime, nights: int, intensity: float = 1.0, seed: int = 1) -> int:
    """Put nights that end before `last` into an empty database; return the number of calls."""
    chance = random.Random(seed)
    total = 0
    with engine.begin() as connection:
        for name in SITES:
            _add_device(connection, name, last)
    for back in range(nights, 0, -1):
        evening = (last - timedelta(days=back)).replace(hour=15, minute=0, second=0, microsecond=0)
        rain = max(0.05, math.sin(back / 9.0) * 0.5 + 0.55) * chance.uniform(0.6, 1.4)
        for number, name in enumerate(SITES):
            if chance.random() < 0.06 or (name == "brejo" and 8 <= back <= 12):
                continue  # a night that nobody heard
            with engine.begin() as connection:
                total += _night(connection, chance, name, evening, rain * intensity * (1, 0.5, 1.3, 0.3)[number], back)
    return total


def _night(connection: Connection, chance: random.Random, site: str, evening: datetime, rain: float, back: int) -> int:
    common = _common(site)
    listened: list[dict[str, object]] = []
    calls: list[dict[str, object]] = []
    for quarter in range(8, 68):  # from 17:00 UTC on, five minutes in each quarter of an hour
        start = evening + timedelta(minutes=15 * quarter)
        fate = "silent" if back == 2 and site == "mata-2" else "clipped" if chance.random() < 0.02 else "analysed"
        name = f"{site}_{start:%Y%m%d_%H%M%S}.wav"
        recording = {**common, "recording": uuid4().hex, "recording_name": name}
        listened.append(
            {**recording, "id": uuid4(), "start_utc": start, "state": fate, "first_sample": 0, "samples": 300 * 22_050}
        )
        if fate != "silent":
            calls += _calls(chance, recording, start, rain, 2.0 if back == 1 and site == "mata-1" else 1.0)
    connection.execute(insert(effort), listened)
    if calls:
        connection.execute(insert(events), calls)
    return len(calls)


def _calls(
    chance: random.Random, recording: dict[str, Any], start: datetime, rain: float, louder: float
) -> Iterator[dict[str, Any]]:
    since_sunset = (start.hour + start.minute / 60 - SUNSET_HOUR_UTC + 6) % 24 - 6
    for species, label, best, peak, spread in FROGS:
        expected = rain * louder * best / 12 * math.exp(-(((since_sunset - peak) / spread) ** 2))
        count = int(expected) + (chance.random() < expected % 1)
        for _ in range(count):
            onset = chance.uniform(0, 290)
            length = chance.uniform(0.4, 9)
            p = min(0.99, chance.betavariate(6, 2))
            yield {
                **recording, "id": UUID(int=chance.getrandbits(128)), "label": label, "scientific_name": species,
                "start_utc": start + timedelta(seconds=onset), "end_utc": start + timedelta(seconds=onset + length),
                "onset_sample": int(onset * 22_050), "offset_sample": int((onset + length) * 22_050),
                "p_peak": p, "p_mean": p * 0.8, "level_dbfs": chance.uniform(-48, -18),
            }  # fmt: skip


def _common(site: str) -> dict[str, Any]:
    return {
        "site": site, "device": f"{site}-box", "journal": UUID(int=1), "received_utc": datetime.now(UTC), "seq": 1,
        "rate_hz": 22_050, "clock_source": "recorder", "model_id": "anuraset-student", "model_version": "1.0.0",
        "model_sha256": "5f" * 32, "config_hash": "c0ffee", "app_version": "0.1.0",
    }  # fmt: skip


def _add_device(connection: Connection, name: str, last: datetime) -> None:
    key = {"site": name, "device": f"{name}-box"}
    away = name == "rio-claro"
    seen = last - timedelta(hours=9 if away else 0)
    made_by = {"app_version": "0.1.0", "model_id": "anuraset-student", "model_sha256": "5f" * 32}
    connection.execute(
        insert(devices), {**key, "state": "offline" if away else "online", "last_seen_utc": seen, **made_by}
    )
    said = Health(
        utc=seen, every_s=60, uptime_s=9e5, running_s=8e5, app_version="0.1.0", model_sha256="5f" * 32,
        config_hash="c0ffee", overruns=0, analysed_s=8e5, dropped_s=12.5 if away else 0, gaps=2,
        pending=1_234 if away else 0, oldest_pending_s=7_300 if away else None, since_inference_s=4,
        real_time_factor=0.08, disk_free_bytes=21_400_000_000, temperature_c=41.2, clock_synchronised=not away,
        problems=("the clock is not synchronised",) if away else (),
    )  # fmt: skip
    connection.execute(insert(health), {**key, "received_utc": seen, "message": said.to_bytes().decode()})
