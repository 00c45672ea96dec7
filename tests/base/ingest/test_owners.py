"""Names of sites and devices are corrected in all rows; what belongs to a row stays with it."""

from typing import Any

import pytest
from clip_device import ClipDevice, make_flac
from sqlalchemy import Engine, select

from anura_base.analysis import rollup
from anura_base.analysis.reviews import Verdict, add_review, reviewed_events
from anura_base.analysis.rollup_tables import call_slots, effort_slots
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.clips.tables import clip_parts
from anura_base.db.schema import devices, events, health
from anura_base.ingest import owners
from anura_base.ingest.messages import DeviceKey
from anura_edge.errors import ConfigError
from anura_edge.wire import Status, batch, topic


def send(sender: Any, site: str, device: str, *rows: Any) -> None:
    sender.raw(topic(site, device, rows[0].kind), batch(sender.journal, 1, rows))


def sums(engine: Engine) -> dict[str, float]:
    """Return calls and hours of each site, from the sums."""
    rollup.refresh(engine)
    found: dict[str, float] = {}
    with engine.connect() as connection:
        for site, calls in connection.execute(select(call_slots.c.site, call_slots.c.calls)):
            found[f"{site} calls"] = found.get(f"{site} calls", 0) + calls
        for site, seconds in connection.execute(select(effort_slots.c.site, effort_slots.c.seconds)):
            found[f"{site} hours"] = found.get(f"{site} hours", 0) + seconds / 3_600
    return found


def test_site_with_a_typo_is_renamed_with_its_rows_sums_and_verdicts(sender: Any, make: Any) -> None:
    install_triggers(sender.engine)
    event = make.event(1)
    send(sender, "pnod", "one", event, make.event(2))
    send(sender, "pnod", "one", make.effort(3, hours=1))
    with sender.engine.begin() as connection:
        add_review(connection, event.id, "maria", Verdict.CONFIRMED)
    assert sums(sender.engine) == {"pnod calls": 2, "pnod hours": 1}
    with sender.engine.begin() as connection:
        changes = owners.rename_site(connection, "pnod", "pond")
    assert (changes["events"], changes["effort"], changes["devices"], changes["journals"]) == (2, 1, 1, 1)
    assert sums(sender.engine) == {"pond calls": 2, "pond hours": 1}
    with sender.engine.begin() as connection:
        assert [row.site for row in reviewed_events(connection)] == ["pond"]
        assert owners.devices_of(connection, "pnod") == []
        with pytest.raises(ConfigError, match="no site pnod"):
            owners.rename_site(connection, "pnod", "lake")
    send(sender, "pond", "one", event)  # the device sends it again, under its new site
    assert sums(sender.engine) == {"pond calls": 2, "pond hours": 1}


def test_sites_are_merged_with_devices_and_journals_of_both(sender: Any, make: Any) -> None:
    """The site was renamed on the device while some rows were on their way."""
    sent = [make.event(seq) for seq in range(1, 7)]
    send(sender, "old", "one", *sent[:2], sent[3])
    send(sender, "pond", "one", sent[2], *sent[4:])
    sender.raw(topic("old", "one", "status"), Status(state="offline").to_bytes())
    sender.raw(topic("pond", "one", "status"), Status(state="online").to_bytes())
    with sender.engine.begin() as connection:
        with pytest.raises(ConfigError, match="site merge"):
            owners.rename_site(connection, "old", "pond")
        owners.merge_sites(connection, "old", "pond")
        assert owners.devices_of(connection, "old") == []
        assert connection.execute(select(devices.c.site, devices.c.device, devices.c.state)).all() == [
            ("pond", "one", "online")
        ]
        assert set(connection.scalars(select(events.c.site))) == {"pond"}
    ((_, answer),) = sender.raw(topic("pond", "one", "event"), batch(sender.journal, 1, sent))
    assert b'"seq":6' in answer
    assert b'"missing":[]' in answer


def test_device_takes_the_clips_of_its_other_name(engine: Engine, make: Any) -> None:
    file = make_flac()
    with engine.begin() as connection:
        one, two = ClipDevice(connection), ClipDevice(connection, "two")
        for device, seq, complete in ((one, 1, False), (two, 2, True)):
            event = device.add_event(make.event(seq))
            device.request(event)
            if complete:
                device.send_file(event, file)
            else:
                device.send_message(device.part(event, file, 0, 1_000))
        owners.rename_device(connection, DeviceKey(one.site, one.device), "two")
        parts = connection.scalars(select(clip_parts.c.data).order_by(clip_parts.c.first_byte)).all()
        assert b"".join(parts) == file


def test_device_without_rows_is_removed_and_one_with_rows_only_on_request(sender: Any, make: Any) -> None:
    sender.status(Status(state="online"))
    sender.health(make.health())
    key = DeviceKey("INCT04", sender.device)
    with sender.engine.begin() as connection:
        owners.remove_device(connection, key, with_rows=False)
    assert sender.count(devices) == sender.count(health) == 0
    sender.rows(make.event(1))
    with sender.engine.begin() as connection:
        with pytest.raises(ConfigError, match="has 1 rows; --with-rows"):
            owners.remove_device(connection, key, with_rows=False)
        assert owners.remove_device(connection, key, with_rows=True)["events"] == 1
        with pytest.raises(ConfigError, match="no device"):
            owners.remove_device(connection, key, with_rows=True)
    assert sender.count(events) == 0
