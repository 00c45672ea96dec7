"""An event's audio is its saved clip, or a part of its recording if the content is the same."""

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from anura_edge.clips import finder as finder_module
from anura_edge.clips.finder import ClipFinder
from anura_edge.config.analysis import AudioSettings
from anura_edge.config.device import Config
from anura_edge.config.operation import ClipSettings
from anura_edge.errors import UnreadableError
from anura_edge.events import Event
from anura_edge.sources.files.open_file import open_file
from anura_edge.store.clip_index import ClipIndex
from anura_edge.store.journal import Journal
from anura_edge.wire import EventRow, Provenance

RATE_HZ = 8_000


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.db")) as journal:
        yield journal


@pytest.fixture
def finder(journal: Journal, tmp_path: Path) -> Callable[..., ClipFinder]:
    def make(channel: Any = "loudest", **clips: Any) -> ClipFinder:
        config = Config(
            state_dir=tmp_path, audio=AudioSettings(channel=channel), clips=ClipSettings.model_validate(clips)
        )
        return ClipFinder(ClipIndex(journal.database), config.clips_path, config.clips, config.audio)

    return make


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A stereo recording of 30 s, the right channel of which is the louder one."""
    noise = np.random.default_rng(1).normal(0, [0.01, 0.1], (30 * RATE_HZ, 2))
    path = tmp_path / "card" / "Data" / "A_20261120_193000.wav"
    path.parent.mkdir(parents=True)
    sf.write(path, noise, RATE_HZ, subtype="PCM_16")
    return tmp_path / "card"


@pytest.fixture
def store_event(
    journal: Journal, card: Path, make_event: Callable[..., Event], provenance: Provenance
) -> Callable[[float, float], EventRow]:
    """Store an event of the card's recording."""
    name = "Data/A_20261120_193000.wav"
    recording = open_file(card / name, name).recording.id

    def make(begin_s: float, end_s: float) -> EventRow:
        onset, offset = round(begin_s * RATE_HZ), round(end_s * RATE_HZ)
        event = make_event(onset, recording, offset_sample=offset, recording_name=name, rate_hz=RATE_HZ)
        (row,) = journal.commit([event], [], provenance)
        assert isinstance(row, EventRow)
        return row

    return make


@pytest.mark.parametrize(("channel", "number"), [("loudest", 1), (0, 0), (1, 1), (7, 1)])
@pytest.mark.parametrize(
    ("begin_s", "end_s", "first_s", "last_s"), [(10, 12, 8, 14), (0.5, 1, 0, 3), (29, 30, 27, 30), (1, 29, 0, 15)]
)
def test_call_is_cut_from_its_recording_with_margins(
    card: Path,
    store_event: Callable[[float, float], EventRow],
    finder: Callable[..., ClipFinder],
    channel: int | str,
    number: int,
    begin_s: float,
    end_s: float,
    first_s: float,
    last_s: float,
) -> None:
    event, clip_finder = store_event(begin_s, end_s), finder(channel)
    clip_finder.add_root(card.parent / "another card")
    clip_finder.add_root(card)
    clip = clip_finder.find(event.id)
    samples, rate_hz = sf.read(io.BytesIO(clip.flac), dtype="int16")
    first, last = round(max(first_s, begin_s - 2) * RATE_HZ), round(last_s * RATE_HZ)
    assert (rate_hz, clip.first_sample) == (RATE_HZ, first)
    recorded, _ = sf.read(card / event.recording_name, dtype="int16")
    assert len(samples) == last - first
    assert np.abs(samples.astype(int) - recorded[first:last, number]).max() <= 1


def test_call_of_an_earlier_version_is_cut_from_its_recording(
    card: Path,
    journal: Journal,
    make_event: Callable[..., Event],
    provenance: Provenance,
    finder: Callable[..., ClipFinder],
) -> None:
    """Earlier versions identified recordings in another way. Their events keep those ids."""
    name = "Data/A_20261120_193000.wav"
    recording = open_file(card / name, name).former_identity().id
    event = make_event(RATE_HZ, recording, offset_sample=2 * RATE_HZ, recording_name=name, rate_hz=RATE_HZ)
    journal.commit([event], [], provenance)
    clip_finder = finder()
    clip_finder.add_root(card)
    assert clip_finder.find(event.id).flac


def test_other_recording_of_the_same_name_is_refused(
    card: Path, store_event: Callable[[float, float], EventRow], finder: Callable[..., ClipFinder]
) -> None:
    event, clip_finder = store_event(1, 2), finder()
    clip_finder.add_root(card)
    sf.write(card / event.recording_name, np.random.default_rng(2).normal(0, 0.1, RATE_HZ), RATE_HZ)
    with pytest.raises(UnreadableError, match="does not exist") as raised:
        clip_finder.find(event.id)
    assert raised.value.reason == finder_module.GONE


def test_saved_clip_is_preferred_to_the_recording(
    card: Path, store_event: Callable[[float, float], EventRow], finder: Callable[..., ClipFinder], tmp_path: Path
) -> None:
    event, clip_finder = store_event(1, 2), finder()
    clip_finder.add_root(card)
    (tmp_path / "clips").mkdir()
    name = "20261120T193000000Z_LOW-900.flac"
    (tmp_path / "clips" / name).write_bytes(b"saved")
    clip_finder._index.add(name, 3, [event])
    assert (clip_finder.find(event.id).flac, clip_finder.find(event.id).first_sample) == (b"saved", 3)
    (tmp_path / "clips" / name).unlink()
    assert clip_finder.find(event.id).flac.startswith(b"fLaC")


def test_too_large_clip_names_the_setting_to_lower(
    card: Path,
    store_event: Callable[[float, float], EventRow],
    finder: Callable[..., ClipFinder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finder_module, "MAX_CLIP_BYTES", 1_000)
    event, clip_finder = store_event(1, 2), finder()
    clip_finder.add_root(card)
    with pytest.raises(UnreadableError, match=r"clips\.max_s"):
        clip_finder.find(event.id)


def test_path_outside_the_clip_folder_is_never_opened(
    card: Path, store_event: Callable[[float, float], EventRow], finder: Callable[..., ClipFinder], tmp_path: Path
) -> None:
    event, clip_finder = store_event(1, 2), finder()
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "clips").mkdir()
    clip_finder._index.add("../secret", 0, [event])
    with pytest.raises(UnreadableError, match="no clip was saved"):
        clip_finder.find(event.id)
