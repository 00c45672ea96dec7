"""Each figure of the table. All but `delivery` are made in a process of their own."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import numpy as np
import soundfile as sf
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from support import Broker, eventually, free_port

from anura_edge import wire
from anura_edge.app.device import DeviceRuntime
from anura_edge.audio import FloatArray
from anura_edge.clocks.monotonic import monotonic_s
from anura_edge.clocks.sample_clock import SystemClock
from anura_edge.config.analysis import AudioSettings, DetectionSettings, ModelSettings
from anura_edge.config.device import Config, DeviceSettings
from anura_edge.config.operation import MqttSettings
from anura_edge.demo.card import CLIPS
from anura_edge.inference.bundle import load_bundle
from anura_edge.sources.microphone.capture_client import CapturedBlock
from sidelab.subjects import Scorer, Subject, at_rate

LOOKS = 200
CORES = 2
CARD_RATE_HZ = 44_100
LIKELY, GAP_S = 0.02, 0.2
"""`detect.threshold` and `detect.merge_gap_s` that make many events."""

Figures = dict[str, float]


def frogs(seconds: float, rate_hz: int) -> FloatArray:
    """Make a recording of the demo's clips, again and again: shape (samples,)."""
    read = (sf.read(path, dtype="float32") for path in sorted(CLIPS.glob("*.ogg")))
    clips = [at_rate(clip, clip_hz, rate_hz) for clip, clip_hz in read]
    sound = np.concatenate([part for clip in clips for part in (clip, np.zeros(4 * rate_hz, np.float32))])
    sound = np.resize(sound, round(seconds * rate_hz)).astype(np.float32)
    return sound + np.random.default_rng(0).normal(0, 1e-3, len(sound)).astype(np.float32)


def speed(subject: Subject, seconds: float) -> Figures:
    """Hear a recording on one core."""
    scorer = Scorer(subject, threads=1)
    sound = frogs(seconds, scorer.rate_hz)
    spent_s = _spent(scorer, sound, time.process_time)
    # Not getrusage, whose peak includes that of the process that started us.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return {
        "one": seconds / spent_s,
        "mmac": scorer.macs_per_s / 1e6,
        "peak_mb": int(peak) / 1024,
        "file_mb": scorer.file_bytes / 1e6,
        "hour_cpu_s": 3600 * spent_s / seconds,
    }


def _spent(scorer: Scorer, sound: FloatArray, clock: Callable[[], float]) -> float:
    scorer.hear(scorer.once)
    began = clock()
    scorer.hear(sound)
    return clock() - began


def speed_on_two(subject: Subject, seconds: float) -> Figures:
    """Hear a recording on two cores: by two threads at two recordings on a device, by torch's own threads else."""
    if subject.is_bundle:
        scorers = [Scorer(subject, threads=1) for _ in range(CORES)]
        sound = frogs(seconds, scorers[0].rate_hz)
        threads = [Thread(target=scorer.hear, args=(sound,)) for scorer in scorers]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"two": CORES * seconds / (time.perf_counter() - began)}
    scorer = Scorer(subject, threads=CORES)
    return {"two": seconds / _spent(scorer, frogs(seconds, scorer.rate_hz), time.perf_counter)}


def looks(subject: Subject, _seconds: float) -> Figures:
    """Ask about what a microphone gives, again and again."""
    scorer = Scorer(subject, threads=1)
    count = LOOKS if subject.is_bundle else 5
    scorer.hear(scorer.once)
    wall_s = []
    began_s = time.process_time()
    for _ in range(count):
        at = time.perf_counter()
        scorer.hear(scorer.once)
        wall_s.append(time.perf_counter() - at)
    share = (time.process_time() - began_s) / count / scorer.every_s
    median_ms, most_ms = (np.percentile(wall_s, [50, 99]) * 1e3).tolist()
    return {"share": share, "median_ms": median_ms, "most_ms": most_ms}


def cold_start(subject: Subject, _seconds: float) -> Figures:
    """Start Python, load all that it needs, and ask once."""
    program = (
        "from sidelab.subjects import Scorer, Subject\n"
        f"scorer = Scorer(Subject('', {subject.model!r}), 1)\n"
        "scorer.hear(scorer.once)"
    )
    began = time.perf_counter()
    path = os.pathsep.join(filter(None, sys.path))
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": path})
    return {"cold_s": time.perf_counter() - began}


BY_NAME: dict[str, Callable[[Subject, float], Figures]] = {
    "speed": speed,
    "speed_on_two": speed_on_two,
    "looks": looks,
    "cold_start": cold_start,
}


def delivery(bundle: Path, seconds: float, block_s: float) -> str:
    """Let a whole device hear a microphone in real time, `block_s` of it at a time.

    Say how long an event is on its way, and what it costs. So that there are many events, whatever is a little like a
    frog is one, and they are not merged.
    """
    stop = Event()
    microphone = _Playing(frogs(seconds, CARD_RATE_HZ), CARD_RATE_HZ, block_s, stop)
    arrived: list[tuple[float, bytes]] = []
    with tempfile.TemporaryDirectory(prefix="anura-side-") as folder:
        broker = Broker(Path(folder), free_port())
        broker.start()
        client = _listen(broker.port, arrived)
        config = Config(
            state_dir=Path(folder) / "state",
            device=DeviceSettings(site="bench", name="bench"),
            audio=AudioSettings(trust_clock=True, block_s=block_s),
            model=ModelSettings(bundle=bundle),
            detect=DetectionSettings(threshold=LIKELY, merge_gap_s=GAP_S),
            mqtt=MqttSettings(host="127.0.0.1", port=broker.port, delivery="broker"),
        )
        with DeviceRuntime(config, lambda _: None, stop) as runtime:
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            runtime.run_microphone(lambda *_: microphone, SystemClock(trust=True, stop=stop))
            share = (time.process_time() - began_cpu_s) / (time.perf_counter() - began_s)
            runtime.wait_for_delivery()
        client.disconnect()
        client.loop_stop()
        broker.stop()
    late_ms = [1e3 * late_s for late_s in _lateness(arrived, bundle, microphone.zero_s)]
    if not late_ms:
        return f"A whole device on a microphone, {block_s:g} s at a time: {share:.2%} of a core; it heard nothing."
    median, most = np.percentile(late_ms, [50, 99])
    return (
        f"A whole device on a microphone, {block_s:g} s at a time, delivery included: {share:.2%} of a core. From the "
        f"last sample that an event needs to a subscriber at a broker: median {median:.0f} ms, 99 % below {most:.0f} "
        f"ms ({len(late_ms)} events)."
    )


class _Playing:
    """A microphone that hears a recording in real time."""

    name, channels = "playing", 1

    def __init__(self, sound: FloatArray, rate_hz: int, block_s: float, stop: Event) -> None:
        self._sound, self.rate_hz, self._stop = sound, rate_hz, stop
        self._block = round(block_s * rate_hz)
        self._position = 0
        self.zero_s = monotonic_s()

    def read(self, _timeout_s: float) -> CapturedBlock | None:
        """Return the next block when its last sample has been taken."""
        if not self._position:
            self.zero_s = monotonic_s()
        block = self._sound[self._position :][: self._block]
        if not len(block):
            self._stop.set()
            return None
        first, self._position = self._position, self._position + len(block)
        # A microphone gives a block when its time has come, not earlier.
        time.sleep(max(0.0, self.zero_s + self._position / self.rate_hz - monotonic_s()))
        return CapturedBlock(block[:, None], first, monotonic_s(), overflowed=False)

    def close(self) -> None:
        """Do nothing."""


def _lateness(arrived: list[tuple[float, bytes]], bundle: Path, zero_s: float) -> list[float]:
    """Return how long after its deciding sample each event came; a call cut by the recording's end is left out."""
    manifest = load_bundle(bundle).manifest
    gap = round(GAP_S * manifest.rate_hz)
    rows = -(-(gap + manifest.window_samples - manifest.hop_samples) // manifest.hop_samples)
    patience_s = (rows * manifest.hop_samples + manifest.lookahead_samples) / manifest.rate_hz
    found = []
    for at_s, payload in arrived:
        for row in wire.EventBatch.from_bytes(payload).rows:
            late_s = at_s - zero_s - row.offset_sample / row.rate_hz - patience_s
            found += [late_s] if late_s > 0 else []
    return found


def _listen(port: int, arrived: list[tuple[float, bytes]]) -> Client:
    subscribed = Event()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        arrived.append((monotonic_s(), bytes(message.payload)))

    client.on_message = on_message
    client.on_connect = lambda client, *_: client.subscribe(wire.topic("bench", "bench", "event"), 1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    eventually(subscribed.is_set)
    return client
