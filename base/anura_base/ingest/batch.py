"""Store messages of devices and answer them. An unusable payload never stops this: it becomes a dead letter."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from anura_base.clips import transfer
from anura_base.config.settings import ClipSettings
from anura_base.db.engine import ack_secret, base_id, is_outage
from anura_base.db.incidents import Incident, IncidentKind, report
from anura_base.ingest.dead_letters import DeadLetter, store_dead_letters
from anura_base.ingest.messages import (
    AnswerMessage,
    ClipMessage,
    DecodedMessage,
    JournalKey,
    RawMessage,
    UpdateMessage,
    decode,
)
from anura_base.ingest.writer import store
from anura_base.updates import orders
from anura_edge.errors import DeliveryError
from anura_edge.wire import Ack, device_key, topic

log = logging.getLogger(__name__)

DEFAULT_LIMITS = ClipSettings()
"""The limits on clips without settings."""

MAX_GROUP_ROWS = 2_000
"""Rows stored together, plus those of the last message. It limits the memory for messages that unpack to many rows."""


def ingest(
    connection: Connection, messages: Sequence[RawMessage], limits: ClipSettings = DEFAULT_LIMITS
) -> list[tuple[str, bytes]]:
    """Store messages and return the answers, as topic and payload, to be sent after the commit.

    A batch that was received before adds nothing, but is acknowledged again: the earlier acknowledgement may be lost.
    """
    acks: dict[JournalKey, Ack] = {}
    commands: list[tuple[str, bytes]] = []
    dead: list[DeadLetter] = []
    base, secret = base_id(connection), ack_secret(connection)
    for group in _groups(messages, dead):
        if isinstance(group, AnswerMessage):
            report(connection, _second_base(group, base))
        elif isinstance(group, ClipMessage | UpdateMessage):
            commands += _store_single(connection, group, limits, dead)
        else:
            acks = _merge(acks, _store(connection, group, dead))
    store_dead_letters(connection, dead)
    refusals = [refusal for letter in dead for refusal in letter.refusals(base, secret)]
    signed = [(key, ack.signed(device_key(secret, key.device))) for key, ack in acks.items()]
    acknowledged = [(topic(key.site, key.device, "ack"), ack.to_bytes()) for key, ack in signed]
    return [*refusals, *acknowledged, *commands]


def _second_base(answer: AnswerMessage, base: UUID) -> Iterator[tuple[Incident, datetime]]:
    if answer.base != base:
        detail = (
            f"another base station, {answer.base}, answers devices on this broker, last {answer.site}/{answer.device};"
            " let only one base station use it"
        )
        yield Incident(IncidentKind.SECOND_BASE, "", "", "", detail), answer.raw.received_utc


def _groups(
    messages: Sequence[RawMessage], dead: list[DeadLetter]
) -> Iterator[list[DecodedMessage] | ClipMessage | UpdateMessage | AnswerMessage]:
    """Decode messages in order, and yield them in groups that are stored together. Only rows and states form groups."""
    group: list[DecodedMessage] = []
    rows = 0
    for message in messages:
        try:
            decoded = decode(message)
        except Exception as error:  # any payload may arrive, and none may end the ingest
            dead.append(DeadLetter(message, _reason(error)))
            continue
        if not isinstance(decoded, DecodedMessage):
            if group:
                yield group
                group, rows = [], 0
            yield decoded
            continue
        group.append(decoded)
        rows += len(decoded.rows)
        if rows >= MAX_GROUP_ROWS:
            yield group
            group, rows = [], 0
    if group:
        yield group


def _store_single(
    connection: Connection, message: ClipMessage | UpdateMessage, limits: ClipSettings, dead: list[DeadLetter]
) -> list[tuple[str, bytes]]:
    """Store a message about a clip or an update, and return the commands that answer it."""
    sender, received_utc = (message.site, message.device), message.raw.received_utc
    try:
        with connection.begin_nested():
            if isinstance(message, UpdateMessage):
                return orders.receive(connection, *sender, message.content, received_utc)
            return transfer.receive(connection, *sender, message.content, limits, received_utc)
    except Exception as error:  # any error may come from a value: the message is set aside, the others go on
        dead.append(DeadLetter(message.raw, _reason(error)))
        return []


def _store(connection: Connection, messages: list[DecodedMessage], dead: list[DeadLetter]) -> dict[JournalKey, Ack]:
    """Store messages together; if that fails, find the bad ones by halving the group."""
    try:
        with connection.begin_nested():
            return store(connection, messages)
    except Exception as error:  # any error may come from a value: the message is set aside, the others go on
        reason = _reason(error)
        if len(messages) == 1:
            dead.append(DeadLetter(messages[0].raw, reason))
            return {}
    half = len(messages) // 2
    earlier = _store(connection, messages[:half], dead)
    return _merge(earlier, _store(connection, messages[half:], dead))


def _reason(error: Exception) -> str:
    """Return the reason for a dead letter. Raises the error again if no message caused it."""
    if is_outage(error):
        raise error
    if not isinstance(error, DeliveryError | DataError | IntegrityError):
        log.error("a message cannot be used", exc_info=error)
    return str(getattr(error, "orig", None) or error) or type(error).__name__


def _merge(earlier: dict[JournalKey, Ack], later: dict[JournalKey, Ack]) -> dict[JournalKey, Ack]:
    """Make one acknowledgement for each journal. The missing rows are those of the later one, which knows more."""
    merged = {**earlier, **later}
    for key in earlier.keys() & later.keys():
        one, other = earlier[key], later[key]
        batches = (*one.batches, *other.batches)
        merged[key] = other.model_copy(update={"seq": max(one.seq, other.seq), "batches": batches})
    return merged
