"""Deletion of clips: with their events, and by age."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from anura_base.clips import blobs
from anura_base.clips.tables import clip_parts, clips
from anura_base.config.settings import ClipSettings, RetentionSettings
from anura_base.ingest.retention import RetentionJob

Make = Callable[..., Any]


class Clock:
    """A monotonic clock that the test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def run_days(engine: Engine, job: RetentionJob, clock: Clock, days: float) -> None:
    """Let the base station run for some days."""
    for _ in range(round(4 * days)):
        clock.now_s += 6 * 3_600
        job.run_if_due(engine)


def count(connection: Connection, table: Any) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def test_clip_is_deleted_with_its_event_or_expires(engine: Engine, make: Any, flac: Make, clip_devices: Make) -> None:
    with engine.begin() as connection:
        device = clip_devices(connection)
        first, second, late = (
            device.add_event(make.event(1)),
            device.add_event(make.event(5)),
            device.add_event(make.event(6)),
        )
        for event in (first, second, late):
            device.request(event)
        device.send_file(first, flac(seed=1))
        device.send_file(second, flac(seed=2))
        device.send_message(device.part(late, flac(seed=3), 0, 1_000))
    clock = Clock()
    job = RetentionJob(RetentionSettings(events_days=2), ClipSettings(unfinished_days=1), clock)
    run_days(engine, job, clock, 1.5)
    with engine.begin() as connection:
        assert clip_devices(connection).stored(late).state == "expired"
        assert blobs.total_bytes(connection) == len(flac(seed=1)) + len(flac(seed=2))
    run_days(engine, job, clock, 1)
    with engine.connect() as connection:
        assert count(connection, clips) == count(connection, clip_parts) == 0


def test_clips_are_deleted_after_clips_days(engine: Engine, make: Any, flac: Make, clip_devices: Make) -> None:
    clock = Clock()
    job = RetentionJob(RetentionSettings(clips_days=30), clock=clock)
    run_days(engine, job, clock, 10)
    with engine.begin() as connection:
        device = clip_devices(connection)
        event = device.add_event(make.event(1))
        device.request(event)
        device.send_file(event, flac())
    run_days(engine, job, clock, 29)
    with engine.connect() as connection:
        assert count(connection, clips) == 1
    run_days(engine, job, clock, 2)
    with engine.connect() as connection:
        assert count(connection, clips) == count(connection, clip_parts) == 0
