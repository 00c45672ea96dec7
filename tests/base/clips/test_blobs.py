"""Clips go when their time is over, and with their calls."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from anura_base.clips import blobs
from anura_base.clips.tables import clip_parts, clips
from anura_base.config.settings import Clips, Retention
from anura_base.ingest.retention import RetentionJob

Make = Callable[..., Any]


def count(connection: Connection, table: Any) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def test_a_clip_goes_with_its_call_and_one_that_does_not_come_expires(
    engine: Engine, make: Any, flac: Make, speakers: Make
) -> None:
    with engine.begin() as connection:
        speaker = speakers(connection)
        taken_back, kept, late = speaker.call(make.event(1)), speaker.call(make.event(5)), speaker.call(make.event(6))
        for event in (taken_back, kept, late):
            speaker.ask(event)
        speaker.send(taken_back, flac(seed=1))
        speaker.send(kept, flac(seed=2))
        speaker.say(speaker.part(late, flac(seed=3), 0, 1_000))
    RetentionJob(Retention(), Clips(unfinished_days=1)).run_if_due(engine)
    with engine.begin() as connection:
        assert speakers(connection).clip(late).state == "expired"
        assert blobs.sizes(connection) == len(flac(seed=1)) + len(flac(seed=2))
    RetentionJob(Retention(events_days=1)).run_if_due(engine)
    with engine.connect() as connection:
        assert count(connection, clips) == count(connection, clip_parts) == 0


def test_clips_go_after_their_days(engine: Engine, make: Any, flac: Make, speakers: Make) -> None:
    with engine.begin() as connection:
        speaker = speakers(connection)
        event = speaker.call(make.event(1))
        speaker.ask(event)
        speaker.send(event, flac())
    RetentionJob(Retention(clips_days=36_500)).run_if_due(engine)
    with engine.begin() as connection:
        clip = speakers(connection).clip(event)
        connection.execute(clips.update().values(changed_utc=clip.changed_utc - timedelta(days=40_000)))
    RetentionJob(Retention(clips_days=36_500)).run_if_due(engine)
    with engine.connect() as connection:
        assert count(connection, clips) == count(connection, clip_parts) == 0
