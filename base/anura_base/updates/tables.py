"""Tables of bundles, their roll-outs, and changes of settings."""

from enum import StrEnum

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, Table, Text

from anura_base.db.schema import UtcDateTime, device_columns, metadata


class OrderState(StrEnum):
    """How far an order is: a model or new settings for one device."""

    WAITING = "waiting"
    """It is not sent yet: other devices try the model first."""
    SENT = "sent"
    """It is sent repeatedly until the device reports the result."""
    TRIAL = "trial"
    """The device uses it, and it has not proved itself yet."""
    KEPT = "kept"
    """The device uses it."""
    REFUSED = "refused"
    """The device never used it. `detail` has the reason."""
    ROLLED_BACK = "rolled_back"
    """The device used it, and then went back to its model or settings before."""
    STOPPED = "stopped"
    """It was withdrawn before the device had it."""


OPEN = (OrderState.SENT, OrderState.TRIAL)
"""States in which the base station repeats the order."""


class RolloutState(StrEnum):
    """How far a roll-out is."""

    RUNNING = "running"
    HALTED = "halted"
    """A device could not use the model, or a person has stopped the roll-out: no other device gets it."""
    DONE = "done"
    """Every device uses the model."""


model_packages = Table(
    "model_packages",
    metadata,
    Column("sha256", Text, primary_key=True),  # of the zip file
    Column("model_id", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("model_sha256", Text, nullable=False),  # of the network in it: devices report this one
    Column("licence", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("added_utc", UtcDateTime, nullable=False),
)

model_parts = Table(
    "model_parts",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("first_byte", BigInteger, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

# The number of a roll-out, and of a change, is its time in milliseconds, so it grows even if the database is restored.
rollouts = Table(
    "rollouts",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("sha256", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("first_devices", Integer, nullable=False),
    Column("wait_h", Double, nullable=False),
)

rollout_devices = Table(
    "rollout_devices",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    *device_columns(primary_key=True),
    Column("position", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("sent_bytes", BigInteger, nullable=False),
    Column("changed_utc", UtcDateTime, nullable=False),
    Index("rollout_devices_by_device", "site", "device"),
)

setting_changes = Table(
    "setting_changes",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    *device_columns(),
    Column("values_json", Text, nullable=False),
    Column("removed_json", Text, nullable=False),
    Column("confirm_s", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("changed_utc", UtcDateTime, nullable=False),
    Index("setting_changes_by_device", "site", "device"),
)
