"""The tables of clips: what is known of each, and the pieces of the files.

A file is known by its content and its device, since two calls may be in one; nobody can add to another's file.
"""

from enum import StrEnum

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, Uuid

from anura_base.db.schema import ArrivalNumber, UtcDateTime, metadata


class ClipState(StrEnum):
    """What became of a clip."""

    ASKED = "asked"
    """No piece has come yet."""
    COMING = "coming"
    HERE = "here"
    GONE = "gone"
    """The device has no audio of the call (any more)."""
    OFF = "off"
    """The device sends none."""
    REFUSED = "refused"
    """What came, or would come, cannot be kept; the detail says why."""
    EXPIRED = "expired"
    """It did not come for too long."""


OPEN = (ClipState.ASKED, ClipState.COMING)
"""States in which the device is asked for more."""

clips = Table(
    "clips",
    metadata,
    Column("number", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("site", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_by", Text, nullable=False),  # empty where the device offered it
    Column("changed_utc", UtcDateTime, nullable=False),
    Column("detail", Text, nullable=False),
    Column("sha256", Text),  # this and what follows are unknown until the device has said something
    Column("size", BigInteger),
    Column("came", BigInteger, nullable=False, default=0),  # bytes, from the beginning of the file
    Column("first_sample", BigInteger),  # where it begins in the recording, at the event's rate_hz
    Column("rate_hz", Integer),  # of the file; this and the next are known when all of it is here
    Column("samples", BigInteger),
    Index("clips_by_device", "site", "device", "sha256"),
    Index("clips_by_state", "state"),
    sqlite_autoincrement=True,
)

clip_parts = Table(
    "clip_parts",
    metadata,
    Column("site", Text, primary_key=True),
    Column("device", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("first_byte", BigInteger, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
