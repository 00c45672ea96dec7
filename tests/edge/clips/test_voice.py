"""Clips with speech are neither stored nor sent, and it is told that they were withheld; frogs alone are stored."""

import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import soxr
from published_wheel import published_wheel
from support import need

from anura_edge.audio import to_pcm16
from anura_edge.clips.clip_writer import ClipWriter
from anura_edge.clips.finder import ClipFinder, FoundClip
from anura_edge.clips.store import ClipStore
from anura_edge.clips.voice import VoiceFilter
from anura_edge.config.analysis import AudioSettings
from anura_edge.config.operation import ClipSettings
from anura_edge.demo.card import CLIPS
from anura_edge.errors import ConfigError, UnreadableError
from anura_edge.sources.files.open_file import open_file
from anura_edge.store.clip_index import ClipIndex
from anura_edge.store.journal import Journal
from anura_edge.wire import EventRow, Provenance, event_row

REQUIREMENT = "silero-vad==6.2.3"
RATE_HZ = 22_050
SENTENCES = {
    "en": "The frogs are calling near the pond tonight. Can you hear them over there?",
    "pt-br": "Vamos gravar os sapos da lagoa, a noite está muito bonita hoje.",
}
FROGS = ("ACRCRE_g019", "GASCAR_g022", "HYLVER_g051", "LITCLA_g113")


@pytest.fixture(scope="module")
def voice() -> VoiceFilter:
    return VoiceFilter(published_wheel(REQUIREMENT))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Speak a sentence, shape (n,), with a power of one."""
    folder = tmp_path_factory.mktemp("speech")

    def speak(language: str) -> Any:
        path = folder / f"{language}.wav"
        if not path.exists():
            subprocess.run([need("espeak-ng"), "-v", language, "-w", path, SENTENCES[language]], check=True)
        sound, rate_hz = sf.read(path, dtype="float32")
        sound = soxr.resample(sound, rate_hz, RATE_HZ)
        return sound / np.sqrt(np.square(sound).mean())

    return speak


def frog(name: str, seconds: float = 4) -> Any:
    """Return a frog with the noise of a microphone, shape (n,)."""
    sound, rate_hz = sf.read(CLIPS / f"{name}.ogg", dtype="float32")
    sound = np.resize(soxr.resample(sound, rate_hz, RATE_HZ), round(seconds * RATE_HZ))
    return 0.3 * sound / np.abs(sound).max() + np.random.default_rng(1).normal(0, 1e-3, len(sound))


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("snr_db", [20, 0, -5])
def test_speech_over_a_frog_is_found(voice: VoiceFilter, speech: Any, language: str, snr_db: float) -> None:
    call, words = frog("HYLVER_g051"), speech(language)
    power = np.square(call).mean() * 10 ** (snr_db / 10)
    both = call + np.sqrt(power) * np.resize(words, len(call))
    assert voice.has_speech(to_pcm16(both.astype(np.float32)), RATE_HZ)


@pytest.mark.parametrize("name", FROGS)
def test_frog_is_no_speech(voice: VoiceFilter, name: str) -> None:
    assert not voice.has_speech(to_pcm16(frog(name).astype(np.float32)), RATE_HZ)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_short_clips_of_any_rate_are_judged(voice: VoiceFilter, rate_hz: int) -> None:
    for samples in (0, 1, 100, rate_hz):
        assert not voice.has_speech(np.zeros(samples, np.int16), rate_hz)


@pytest.mark.parametrize("content", [b"", b"no network", b"PK\x05\x06" + bytes(18)])
def test_other_file_is_refused_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ConfigError, match="pip download"):
        VoiceFilter(tmp_path / "file")


@pytest.mark.parametrize("has_voice", [False, True])
def test_clip_of_a_microphone_with_speech_is_not_stored_and_told(
    voice: VoiceFilter,
    speech: Any,
    tmp_path: Path,
    make_source: Callable[..., Any],
    make_event: Callable[..., Any],
    provenance: Provenance,
    has_voice: bool,
) -> None:
    sound = frog("HYLVER_g051") + (0.1 * np.resize(speech("en"), 4 * RATE_HZ) if has_voice else 0)
    source = make_source(sound.astype(np.float32)[:, None], RATE_HZ, chunk=RATE_HZ, live=True)
    withheld: list[tuple[list[EventRow], float]] = []
    clips = ClipSettings(enabled=True, before_s=0.5, after_s=0.5)
    store = ClipStore(tmp_path / "clips", clips, UTC)
    writer = ClipWriter(clips, store, 60, voice=voice, on_withheld=lambda *each: withheld.append(each))
    writer.start()
    made = make_event(RATE_HZ, source.recording.id, offset_sample=2 * RATE_HZ, rate_hz=RATE_HZ)
    event = event_row(1, made, provenance)
    for chunk in writer.tap(source, channel=0).chunks():
        if chunk.first_sample == 2 * RATE_HZ:
            writer.add_event(event)
    writer.stop()
    assert (writer.saved, writer.withheld) == (not has_voice, has_voice)
    assert len([*(tmp_path / "clips").iterdir()]) == writer.saved
    assert withheld == ([([event], 2.0)] if has_voice else [])


def test_clip_that_was_withheld_is_never_sent(
    voice: VoiceFilter, speech: Any, tmp_path: Path, make_event: Callable[..., Any], provenance: Provenance
) -> None:
    name, card = "A_20261120_193000.wav", tmp_path / "card"
    card.mkdir()
    sf.write(card / name, frog("HYLVER_g051", 8) + 0.1 * np.resize(speech("en"), 8 * RATE_HZ), RATE_HZ)
    recording = open_file(card / name, name).recording.id
    event = make_event(RATE_HZ, recording, offset_sample=2 * RATE_HZ, recording_name=name, rate_hz=RATE_HZ)
    with closing(Journal(tmp_path / "journal.db")) as journal:
        journal.commit([event], [], provenance)
        clips, index = ClipSettings(upload="on_request"), ClipIndex(journal.database)

        def ask(voice: VoiceFilter | None) -> FoundClip:
            finder = ClipFinder(index, tmp_path / "clips", clips, AudioSettings(), voice)
            finder.add_root(card)
            return finder.find(event.id)

        assert ask(None).flac
        for each in (voice, None):  # also after the filter was switched off
            with pytest.raises(UnreadableError, match="contains speech"):
                ask(each)
