"""The wire, version 1: how rows become MQTT messages and back. Nobody else knows a topic or a JSON key.

    anura/v1/{site}/{device}/event    device -> base   Batch of EventRow
    anura/v1/{site}/{device}/effort   device -> base   Batch of EffortRow
    anura/v1/{site}/{device}/notice   device -> base   Batch of NoticeRow
    anura/v1/{site}/{device}/status   device -> base   Status, retained; the broker sends `offline` as the last will
    anura/v1/{site}/{device}/health   device -> base   Health, retained for a while; only the newest counts
    anura/v1/{site}/{device}/ack      base -> device   Ack, after the base has committed; or Refusal of a batch
    anura/v1/{site}/{device}/clip     device -> base   ClipPart, a piece of the audio around a call; or ClipDenial
    anura/v1/{site}/{device}/cmd      base -> device   ClipWanted, the next piece please; or ClipSettled, no more of it

Rows of every kind share one sequence per journal, so that one number acknowledges them all. A device says in each
batch what the lowest number is that it still holds (`floor`): anything below it will never come again.

A batch may be compressed (zlib, RFC 1950; then its content type is that of RFC 6713). Its first byte tells, too, in
case a bridge between brokers drops MQTT's properties: JSON never begins with it.

Audio is fetched piece by piece: the base asks for what follows on what it has, so whoever is killed, nothing is sent
anew that has come. A part without data offers a clip that nobody has asked for.

Field names are public: they may be added, never renamed. Readers ignore fields that they do not know.
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
from anura_edge.wire.clips import ClipDenial, ClipPart, ClipSettled, ClipWanted, parse_clip, parse_command
from anura_edge.wire.health import Health, Status, is_stale
from anura_edge.wire.rows import EffortRow, EventRow, NoticeRow, Provenance, Row, effort_row, event_row, notice_row
from anura_edge.wire.schema import json_schema
from anura_edge.wire.topics import parse_topic, topic
from anura_edge.wire.types import (
    JSON_TYPE,
    MAX_CLIP_BYTES,
    MAX_PART_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_SEQ,
    MAX_TEXT,
    SCHEMA,
    ZLIB_TYPE,
    Amount,
    Code,
    Count,
    Kind,
    Name,
    Probability,
    Sha256,
    Span,
    Text,
    Utc,
)

__all__ = [
    "JSON_TYPE",
    "MAX_CLIP_BYTES",
    "MAX_PART_BYTES",
    "MAX_PAYLOAD_BYTES",
    "MAX_SEQ",
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
    "Count",
    "EffortBatch",
    "EffortRow",
    "EventBatch",
    "EventRow",
    "Health",
    "Kind",
    "Name",
    "NoticeBatch",
    "NoticeRow",
    "Probability",
    "Provenance",
    "Refusal",
    "Row",
    "Sha256",
    "Span",
    "Status",
    "Text",
    "Utc",
    "batch",
    "content_type",
    "digest",
    "effort_row",
    "event_row",
    "is_stale",
    "json_schema",
    "notice_row",
    "pack",
    "parse_answer",
    "parse_clip",
    "parse_command",
    "parse_topic",
    "topic",
]
