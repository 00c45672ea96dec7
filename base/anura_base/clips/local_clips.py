"""Answers requests for clips as a device would, from a journal and recordings on this computer."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

from anura_edge.clips.finder import ClipFinder, FoundClip
from anura_edge.errors import AnuraError, DeliveryError, UnreadableError
from anura_edge.wire import (
    MAX_PART_BYTES,
    MAX_TEXT,
    ClipDenial,
    ClipPart,
    ClipWanted,
    parse_command,
    parse_topic,
    topic,
)

log = logging.getLogger(__name__)

Receive = Callable[[str, bytes, datetime], object]
"""Takes the topic, the payload and the time of a message."""


class LocalClips:
    """A link to a device whose journal and recordings are here. Threads may share it."""

    connected = True

    def __init__(self, finder: ClipFinder, receive: Receive) -> None:
        self._finder, self._receive = finder, receive
        self._pool = ThreadPoolExecutor(1, "local-clips")
        self._found: FoundClip | None = None

    def start(self) -> None:
        """Do nothing: there is no connection to make."""

    def stop(self) -> None:
        """End the search for audio."""
        self._pool.shutdown(cancel_futures=True)

    def publish(self, name: str, payload: bytes) -> None:
        """Answer a request for a clip, in a thread. Other messages need no answer."""
        site, device, kind = parse_topic(name)
        if kind == "cmd" and isinstance(request := parse_command(payload), ClipWanted):
            self._pool.submit(self._answer, site, device, request)

    def publish_and_wait(self, name: str, payload: bytes, timeout_s: float, *, retain: bool = False) -> None:  # noqa: ARG002
        """Raise DeliveryError: there is no broker, so no device can receive messages."""
        raise DeliveryError("there is no broker")

    def _answer(self, site: str, device: str, request: ClipWanted) -> None:
        try:
            answer: ClipPart | ClipDenial = clip_part(self._find(request.event), request)
        except UnreadableError as error:
            answer = ClipDenial(event=request.event, why="gone", detail=str(error)[:MAX_TEXT].replace("\0", "?"))
        except (AnuraError, OSError) as error:
            log.warning("cannot read the audio of a call: %s", error)
            return
        self._receive(topic(site, device, "clip"), answer.to_bytes(), datetime.now(UTC))

    def _find(self, event: UUID) -> FoundClip:
        if not self._found or self._found.event != event:
            self._found = self._finder.find(event)
        return self._found


def clip_part(clip: FoundClip, request: ClipWanted) -> ClipPart:
    """Return the part of a clip that is requested. A request about another file begins again."""
    is_same_file = request.sha256 in (None, clip.sha256)
    offset = request.offset if is_same_file and request.offset < len(clip.flac) else 0
    return clip_offer(clip).model_copy(update={"offset": offset, "data": clip.flac[offset : offset + MAX_PART_BYTES]})


def clip_offer(clip: FoundClip) -> ClipPart:
    """Return the offer of a clip: a part without data."""
    return ClipPart(event=clip.event, sha256=clip.sha256, size=len(clip.flac), first_sample=clip.first_sample)
