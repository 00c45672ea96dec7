"""Tables of clips and of the parts of their files.

The key of a file is its device and its hash, because two calls may be in one file. A device cannot write to the file of
another device.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, Table, Text, Uuid

from anura_base.db.running_time import running_s
from anura_base.db.schema import ArrivalNumber, UtcDateTime, metadata


class ClipState(StrEnum):
    """How far the transfer of a clip to the base station is."""

    ASKED = "asked"
    """Requested; no part has been received."""
    COMING = "coming"
    """Some parts have been received."""
    HERE = "here"
    """The whole file is stored."""
    GONE = "gone"
    """The device has no audio of the call, or has deleted it."""
    OFF = "off"
    """The settings of the device forbid clips."""
    REFUSED = "refused"
    """The file is not valid or has no room. `detail` has the reason."""
    EXPIRED = "expired"
    """It was not received within clips.unfinished_days."""


def change_time(now: datetime) -> dict[str, Any]:
    """Return the columns with the time of a change."""
    return {"changed_utc": now, "changed_running_s": running_s()}


OPEN = (ClipState.ASKED, ClipState.COMING)
"""States in which the base station requests more parts."""

clips = Table(
    "clips",
    metadata,
    Column("number", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("site", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_by", Text, nullable=False),  # empty if the device offered it
    Column("changed_utc", UtcDateTime, nullable=False),
    # The age of a clip counts from here.
    Column("changed_running_s", Double, nullable=False, server_default="0"),
    Column("detail", Text, nullable=False),
    Column("sha256", Text),  # NULL, like the columns below, until the first part
    Column("size", BigInteger),
    Column("came", BigInteger, nullable=False, default=0),  # bytes received, from the beginning of the file
    Column("first_sample", BigInteger),  # its position in the recording, at the event's rate_hz
    Column("rate_hz", Integer),  # of the file; NULL, like `samples`, until the whole file is stored
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
