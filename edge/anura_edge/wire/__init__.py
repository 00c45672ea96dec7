"""The wire format, version 1: rows as MQTT messages. No other module knows a topic or a JSON key.

    anura/v1/{site}/{device}/event    device -> base   Batch of EventRow
    anura/v1/{site}/{device}/effort   device -> base   Batch of EffortRow
    anura/v1/{site}/{device}/notice   device -> base   Batch of NoticeRow
    anura/v1/{site}/{device}/status   device -> base   Status, retained; the broker publishes `offline` as the last will
    anura/v1/{site}/{device}/health   device -> base   Health, retained for a limited time; only the newest counts
    anura/v1/{site}/{device}/ack      base -> device   Ack after the commit, or Refusal of a batch
    anura/v1/{site}/{device}/clip     device -> base   ClipPart, a part of a clip, or ClipDenial
    anura/v1/{site}/{device}/cmd      base -> device   one of `commands.COMMANDS`, about clips, models and settings
    anura/v1/{site}/{device}/update   device -> base   ModelWanted, ModelReport or SettingsReport

Rows of all kinds share one sequence per journal, so one number is enough to acknowledge them. `floor` in each batch is
the lowest number that the device still holds: rows below it are never sent again.

A batch may be compressed (zlib, RFC 1950, with the content type of RFC 6713). Readers recognise it by its first byte,
because a bridge between brokers may drop MQTT's properties. JSON never begins with that byte.

Models and settings travel the other way. The base signs an offer or a change with the key of the device and repeats it
until the device has reported the outcome; the device requests a model part by part.

The base requests a clip part by part, each where the last part ended. So after a kill of either side no part is sent
twice. A part without data offers a clip that was not requested.

Field names are public: fields may be added and are never renamed. Readers ignore unknown fields.
"""

from anura_edge.wire.batches import (
    Ack,
    EffortBatch,
    EventBatch,
    NoticeBatch,
    Refusal,
    batch,
    content_type,
    digest,
    pack,
    parse_answer,
)
from anura_edge.wire.clips import ClipDenial, ClipPart, ClipSettled, ClipWanted, parse_clip
from anura_edge.wire.commands import Command, parse_command
from anura_edge.wire.health import Health, Status, is_stale
from anura_edge.wire.owners import Owner, QueuedRow
from anura_edge.wire.rows import EffortRow, EventRow, NoticeRow, Provenance, Row, effort_row, event_row, notice_row
from anura_edge.wire.schema import json_schema
from anura_edge.wire.signed import device_key
from anura_edge.wire.topics import is_name, parse_topic, topic
from anura_edge.wire.types import (
    FIRST_UTC,
    JSON_TYPE,
    LAST_UTC,
    MAX_CLIP_BYTES,
    MAX_LEVEL_DBFS,
    MAX_PART_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_RECORDING_S,
    MAX_SEQ,
    MAX_SIGNED_AMOUNT,
    MAX_TEXT,
    SCHEMA,
    ZLIB_TYPE,
    Amount,
    Code,
    Count,
    Kind,
    Level,
    Name,
    Probability,
    Sha256,
    SignedAmount,
    Span,
    Text,
    Utc,
)
from anura_edge.wire.updates import (
    MAX_MODEL_BYTES,
    ModelOffer,
    ModelPart,
    ModelReport,
    ModelWanted,
    SettingsChange,
    SettingsKept,
    SettingsReport,
    Update,
    UpdateState,
    parse_update,
)

__all__ = [
    "FIRST_UTC",
    "JSON_TYPE",
    "LAST_UTC",
    "MAX_CLIP_BYTES",
    "MAX_LEVEL_DBFS",
    "MAX_MODEL_BYTES",
    "MAX_PART_BYTES",
    "MAX_PAYLOAD_BYTES",
    "MAX_RECORDING_S",
    "MAX_SEQ",
    "MAX_SIGNED_AMOUNT",
    "MAX_TEXT",
    "SCHEMA",
    "ZLIB_TYPE",
    "Ack",
    "Amount",
    "ClipDenial",
    "ClipPart",
    "ClipSettled",
    "ClipWanted",
    "Code",
    "Command",
    "Count",
    "EffortBatch",
    "EffortRow",
    "EventBatch",
    "EventRow",
    "Health",
    "Kind",
    "Level",
    "ModelOffer",
    "ModelPart",
    "ModelReport",
    "ModelWanted",
    "Name",
    "NoticeBatch",
    "NoticeRow",
    "Owner",
    "Probability",
    "Provenance",
    "QueuedRow",
    "Refusal",
    "Row",
    "SettingsChange",
    "SettingsKept",
    "SettingsReport",
    "Sha256",
    "SignedAmount",
    "Span",
    "Status",
    "Text",
    "Update",
    "UpdateState",
    "Utc",
    "batch",
    "content_type",
    "device_key",
    "digest",
    "effort_row",
    "event_row",
    "is_name",
    "is_stale",
    "json_schema",
    "notice_row",
    "pack",
    "parse_answer",
    "parse_clip",
    "parse_command",
    "parse_topic",
    "parse_update",
    "topic",
]
