"""Finds the audio around a call: in the file that was saved of it, or in the recording, if that is still there."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import AudioChunk, to_pcm16
from anura_edge.clips.ranking import parse_clip_name
from anura_edge.clips.store import to_flac
from anura_edge.config.device import Config
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import AudioFile, open_file
from anura_edge.store.clip_index import ClipIndex
from anura_edge.wire import MAX_CLIP_BYTES, EventRow

GONE = "gone"
"""The reason given where there is no audio of a call, or none any more."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundClip:
    """A FLAC file with a call in it."""

    event: UUID
    flac: bytes
    sha256: str
    first_sample: int
    """From the start of the recording, at the event's rate."""


class ClipFinder:
    """Knows where a device's audio lies."""

    def __init__(self, notes: ClipIndex, config: Config) -> None:
        self._notes, self._config = notes, config
        self._roots: list[Path] = []

    def add_root(self, root: Path) -> None:
        """Take a folder of recordings for one whose files calls may be cut from."""
        self._roots.append(root)

    def find(self, event_id: UUID) -> FoundClip:
        """Return the audio around a call. It may take seconds: a recording is read up to the call.

        Raises UnreadableError, with the reason GONE, if there is none; JournalError if the journal cannot be read.
        """
        if not (event := self._notes.event(event_id)):
            raise UnreadableError(GONE, "the device has no such call any more")
        flac, first_sample = self._saved(event) or self._cut_from_recording(event)
        if len(flac) > MAX_CLIP_BYTES:
            raise UnreadableError(GONE, f"the clip has {len(flac):,} bytes, too many to send; lower clips.max_s")
        return FoundClip(event_id, flac, hashlib.sha256(flac).hexdigest(), first_sample)

    def is_saved(self, name: str) -> bool:
        """Say whether a saved file is still there."""
        return parse_clip_name(name, 0) is not None and (self._config.clips_path / name).is_file()

    def _saved(self, event: EventRow) -> tuple[bytes, int] | None:
        clip = self._notes.find(event.id)
        if not clip or not self.is_saved(clip.name):
            return None
        try:
            return (self._config.clips_path / clip.name).read_bytes(), clip.first_sample
        except OSError:  # it has just been given up for a better one
            return None

    def _cut_from_recording(self, event: EventRow) -> tuple[bytes, int]:
        """Cut a call from the file that it was heard in, which is known by its content, not by its name."""
        for root in self._roots:
            try:
                sound = open_file(root / event.recording_name, event.recording_name, self._config.audio.zone)
            except UnreadableError:
                continue
            if sound.recording.id == event.recording and sound.recording.rate_hz == event.rate_hz:
                return self._cut(sound, event)
        raise UnreadableError(GONE, f"no audio of it was saved, and {event.recording_name} is not there (any more)")

    def _cut(self, sound: AudioFile, event: EventRow) -> tuple[bytes, int]:
        settings, rate_hz = self._config.clips, event.rate_hz
        first = max(0, event.onset_sample - round(settings.before_s * rate_hz))
        last = min(event.offset_sample + round(settings.after_s * rate_hz), first + round(settings.max_s * rate_hz))
        samples = np.concatenate([np.zeros(0, np.int16), *self._stretch(sound, first, last)])
        if not len(samples):
            raise UnreadableError(GONE, f"{event.recording_name} ends before the call")
        return to_flac(samples, rate_hz), first

    def _stretch(self, sound: AudioFile, first: int, last: int) -> Iterator[NDArray[np.int16]]:
        """Yield the samples from one place to another, of the channel that was heard."""
        wanted, channel, at = self._config.audio.channel, None, 0
        with closing(sound.blocks()) as blocks:
            for block in blocks:
                chunk = AudioChunk(block, at)
                if channel is None:  # chosen by the first chunk, as when it was heard
                    channel = chunk.loudest_channel() if wanted == "loudest" else min(wanted, block.shape[1] - 1)
                if chunk.end_sample > first:
                    yield to_pcm16(chunk.channel(channel)[max(0, first - at) : last - at])
                at = chunk.end_sample
                if at >= last:
                    return
