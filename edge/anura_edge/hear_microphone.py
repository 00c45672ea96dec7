"""Hears a microphone for as long as it lasts."""

import logging
import time
from threading import Event

from anura_edge.clip_recorder import ClipRecorder
from anura_edge.config import Audio
from anura_edge.detector import Detector
from anura_edge.errors import SourceError
from anura_edge.keeper import Keeper
from anura_edge.pipeline import listen
from anura_edge.sources.microphone import Microphone, find

log = logging.getLogger(__name__)

BLOCK_S = 0.25
"""A microphone is scored four times a second: soon enough for a person, seldom enough for a battery."""


def hear_microphone(keeper: Keeper, detector: Detector, audio: Audio, stop: Event, clips: ClipRecorder | None) -> None:
    """Listen until told to stop, and have clips saved if there is somebody to do that.

    Raises SourceError if there is no such microphone, or when it is gone.
    """
    channel = 0 if audio.channel == "loudest" else audio.channel
    with Microphone(find(audio.microphone), channel, stop) as sound:
        log.info("listening to %s at %d Hz", sound.recording.name, sound.recording.rate_hz)
        began = time.monotonic()
        for heard in listen(clips.tap(sound, channel) if clips else sound, detector, channel):
            if heard.events or heard.efforts:
                keeper.keep([heard])
            if heard.broken_off:
                raise SourceError(f"{heard.broken_off}; check its cable, then start again")
        keeper.summary.new += 1
        keeper.summary.elapsed_s += time.monotonic() - began
        if sound.overflows:
            log.warning("%s lost audio %d times, for how long it does not say", sound.recording.name, sound.overflows)
