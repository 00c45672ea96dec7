"""A requested clip reaches the base station, also after kills of device, broker and base station."""

import io
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from support import DEADLINE_S, Broker, PulseAudio, eventually

from anura_edge.demo.card import CLIPS


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A card with a northern cricket frog in noise. Noise does not compress, so the clip is large."""
    call, rate_hz = sf.read(CLIPS / "ACRCRE_g019.ogg", dtype="float32")
    frog = np.tile(call[: 5 * rate_hz], 3)
    sound = np.concatenate([frog, np.zeros(5 * rate_hz, np.float32)])
    sound += np.random.default_rng(3).normal(0, 0.01, len(sound)).astype(np.float32)
    path = tmp_path / "card"
    path.mkdir()
    sf.write(path / "POND_20260412_213000.wav", sound, rate_hz, subtype="PCM_16")
    return path


def request_clip(base: Any, event: str) -> None:
    with urllib.request.urlopen(f"{base.url}review?event={event}", timeout=DEADLINE_S) as answer:
        token = answer.read().decode().split('name="csrf_token" value="')[1].split('"')[0]
    request = urllib.request.Request(f"{base.url}api/events/{event}/clip", method="POST")
    request.add_header("X-CSRF-Token", token)
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
        assert answer.status == 202


def clip_of(base: Any, event: str) -> dict[str, Any]:
    return base.get(f"api/events/{event}/clip")


def flac_of(base: Any, event: str) -> bytes:
    with urllib.request.urlopen(f"{base.url}api/events/{event}/clip.flac", timeout=DEADLINE_S) as answer:
        return answer.read()


def progress_of(base: Any, event: str, than: int) -> int | None:
    """Return the received bytes of a clip if they are more than before, else None."""
    clip = clip_of(base, event)
    assert clip["state"] != "here", "the transfer was complete before a kill"
    return clip["came"] if clip["came"] > than else None


def test_clip_transfer_continues_after_kills(
    broker: Broker,
    start_base: Callable[[], Any],
    start_device: Callable[..., Any],
    mqtt_settings: dict[str, str],
    card: Path,
) -> None:
    settings = {**mqtt_settings, "CLIPS__UPLOAD": "on_request", "WATCH__INTERVAL_S": "0.2", "WATCH__DEBOUNCE_S": "0"}

    def start() -> Any:
        return start_device("--source", f"folder:{card}", "--watch", **settings)

    device, base = start(), start_base()
    event = eventually(lambda: base.get("api/events"))[0]
    request_clip(base, event["id"])
    received = 0
    for victim in ("device", "base", "broker"):
        received = eventually(lambda base=base, received=received: progress_of(base, event["id"], received))
        if victim == "device":
            device.process.kill()
            device.process.wait()
            device = start()
        elif victim == "base":
            base.process.kill()
            base.process.wait()
            base = start_base()
        else:
            broker.kill()
            broker.start()
        assert clip_of(base, event["id"])["came"] >= received, "no received part is lost"
    eventually(lambda: clip_of(base, event["id"])["state"] == "here")
    samples, rate_hz = sf.read(io.BytesIO(flac_of(base, event["id"])), dtype="int16")
    original, _ = sf.read(card / event["recording_name"], dtype="int16")
    first = max(0, event["onset_sample"] - 2 * rate_hz)
    assert rate_hz == event["rate_hz"]
    assert np.abs(samples.astype(int) - original[first : first + len(samples)]).max() <= 1
    assert device.stop() == 0


def test_denied_and_deleted_clips_are_reported(
    broker: Broker,
    start_base: Callable[[], Any],
    start_device: Callable[..., Any],
    mqtt_settings: dict[str, str],
    card: Path,
) -> None:
    settings = {**mqtt_settings, "WATCH__INTERVAL_S": "0.2", "WATCH__DEBOUNCE_S": "0"}
    source = ("--source", f"folder:{card}", "--watch")
    base, device = start_base(), start_device(*source, **settings)
    event = eventually(lambda: base.get("api/events"))[0]["id"]
    request_clip(base, event)
    eventually(lambda: clip_of(base, event)["state"] == "off")
    assert device.stop() == 0
    for file in card.iterdir():
        file.unlink()
    device = start_device(*source, **settings, CLIPS__UPLOAD="on_request")
    request_clip(base, event)
    clip = eventually(lambda: found if (found := clip_of(base, event))["state"] == "gone" else None)
    assert "POND_20260412_213000.wav does not exist" in clip["detail"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        flac_of(base, event)
    assert device.stop() == 0


def test_clip_of_a_microphone_reaches_the_base_station(
    broker: Broker,
    start_base: Callable[[], Any],
    start_device: Callable[..., Any],
    mqtt_settings: dict[str, str],
    pulse: PulseAudio,
    tmp_path: Path,
) -> None:
    call, rate_hz = sf.read(CLIPS / "ACRCRE_g019.ogg", dtype="float32")
    frog = tmp_path / "frog.wav"
    sf.write(frog, np.concatenate([call[: 5 * rate_hz] / 4, np.zeros(rate_hz, np.float32)]), rate_hz)
    pulse.start()
    clips = {"CLIPS__ENABLED": "true", "CLIPS__AFTER_S": "0.5", "CLIPS__UPLOAD": "on_request"}
    environment = pulse.environment
    device = start_device(
        "--source", "mic", environment=environment, AUDIO__MICROPHONE="pulse", **mqtt_settings, **clips
    )
    base = start_base()
    eventually(lambda: "recording from" in "".join(device.log_lines))
    pulse.play(frog)
    saved = eventually(lambda: sorted((tmp_path / "device" / "clips").glob("*ACRCRE*.flac")))[0]
    event = eventually(lambda: [each for each in base.get("api/events") if each["label"] == "ACRCRE"])[0]["id"]
    request_clip(base, event)
    clip = eventually(lambda: found if (found := clip_of(base, event))["state"] == "here" else None)
    assert flac_of(base, event) == saved.read_bytes()
    assert 0 <= clip["onset_s"] < clip["offset_s"] <= clip["duration_s"]
    assert device.stop() == 0
