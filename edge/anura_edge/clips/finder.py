"""Find the audio around an event: a saved clip, or a part of the recording if its file still exists."""

import hashlib
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import AudioChunk, to_pcm16
from anura_edge.clips.ranking import parse_clip_name
from anura_edge.clips.store import to_flac
from anura_edge.clips.voice import VoiceFilter
from anura_edge.config.analysis import AudioSettings
from anura_edge.config.operation import ClipSettings
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import AudioFile
from anura_edge.sources.files.open_file import open_file
from anura_edge.store.clip_index import WITHHELD, ClipIndex
from anura_edge.wire import MAX_CLIP_BYTES, EventRow

WITHHELD_BECAUSE = "the audio contains speech, so it is not sent (clips.voice_model_file)"

GONE = "gone"
"""The reason when an event has no audio, or none any more."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundClip:
    """A FLAC file that contains an event."""

    event: UUID
    flac: bytes
    sha256: str
    first_sample: int
    """Position in the recording, at the event's rate."""


class ClipFinder:
    """Finds clips in the clip folder and in folders of recordings."""

    def __init__(
        self,
        index: ClipIndex,
        folder: Path,
        settings: ClipSettings,
        audio: AudioSettings,
        voice: VoiceFilter | None = None,
    ) -> None:
        """With `voice`, audio with speech counts as gone."""
        self._index, self._folder, self._settings, self._audio = index, folder, settings, audio
        self._voice = voice
        self._roots: list[Path] = []

    def add_root(self, root: Path) -> None:
        """Search a folder of recordings, too."""
        self._roots.append(root)

    def find(self, event_id: UUID) -> FoundClip:
        """Return the audio around an event. It may take seconds, because a recording is read up to the event.

        Raises UnreadableError, with the reason GONE, if there is none; JournalError if the journal cannot be read.
        """
        if not (event := self._index.event(event_id)):
            raise UnreadableError(GONE, "the device no longer has this event")
        flac, first_sample = self._saved(event) or self._cut_from_recording(event)
        if len(flac) > MAX_CLIP_BYTES:
            raise UnreadableError(GONE, f"the clip has {len(flac):,} bytes, too many to send; lower clips.max_s")
        return FoundClip(event_id, flac, hashlib.sha256(flac).hexdigest(), first_sample)

    def saved_events(self) -> list[UUID]:
        """Return the events whose clips are in the clip folder."""
        return [clip.event for clip in self._index.all() if self.is_saved(clip.name)]

    def is_saved(self, name: str) -> bool:
        """Tell whether a clip is still in the clip folder."""
        return parse_clip_name(name, 0) is not None and (self._folder / name).is_file()

    def _saved(self, event: EventRow) -> tuple[bytes, int] | None:
        clip = self._index.find(event.id)
        if clip and clip.name == WITHHELD:
            raise UnreadableError(GONE, WITHHELD_BECAUSE)
        if not clip or not self.is_saved(clip.name):
            return None
        try:
            return (self._folder / clip.name).read_bytes(), clip.first_sample
        except OSError:  # the clip store has just deleted it for a better one
            return None

    def _cut_from_recording(self, event: EventRow) -> tuple[bytes, int]:
        """Cut a clip from the event's recording. The recording is recognised by its content, not by its name."""
        for root in self._roots:
            try:
                file = open_file(root / event.recording_name, event.recording_name, self._audio.zone)
            except UnreadableError:
                continue
            if _is_of(event, file):
                return self._cut(file, event)
        raise UnreadableError(GONE, f"no clip was saved, and {event.recording_name} does not exist (any more)")

    def _cut(self, file: AudioFile, event: EventRow) -> tuple[bytes, int]:
        first, last = self._settings.bounds(event.onset_sample, event.offset_sample, event.rate_hz)
        samples = np.concatenate([np.zeros(0, np.int16), *self._read(file, event, first, last)])
        if not len(samples):
            raise UnreadableError(GONE, f"{event.recording_name} ends before the event")
        if self._voice and self._voice.has_speech(samples, event.rate_hz):
            self._index.withhold([event])
            raise UnreadableError(GONE, WITHHELD_BECAUSE)
        return to_flac(samples, event.rate_hz), first

    def _read(self, file: AudioFile, event: EventRow, first: int, last: int) -> Iterator[NDArray[np.int16]]:
        """Yield the samples from `first` to before `last`, of the channel that was analysed."""
        channel, position = event.channel, 0
        with closing(file.blocks()) as blocks:
            for block in blocks:
                chunk = AudioChunk(block, position)
                if channel is None:  # an early version did not store it: the first chunk decides, as in the analysis
                    channel = chunk.choose_channel(self._audio.channel)
                if chunk.end_sample > first:
                    yield to_pcm16(chunk.channel(channel)[max(0, first - position) : last - position])
                position = chunk.end_sample
                if position >= last:
                    return


def _is_of(event: EventRow, file: AudioFile) -> bool:
    """Return whether an event is of a file's recording. Earlier versions gave recordings other ids."""
    if file.recording.rate_hz != event.rate_hz:
        return False
    with suppress(UnreadableError):
        return event.recording == file.recording.id or event.recording == file.former_identity().id
    return False
