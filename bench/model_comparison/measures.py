"""The measurements of the table. All but `delivery` run in their own process."""

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
from model_comparison.models import ComparedModel, Scorer, at_rate

INFERENCES = 200
CORES = 2
CARD_RATE_HZ = 44_100
LOW_THRESHOLD, MERGE_GAP_S = 0.02, 0.2
"""`detect.threshold` and `detect.merge_gap_s` that give many events."""

Figures = dict[str, float]


def frogs(seconds: float, rate_hz: int) -> FloatArray:
    """Return a recording that repeats the demo's clips, shape (samples,)."""
    read = (sf.read(path, dtype="float32") for path in sorted(CLIPS.glob("*.ogg")))
    clips = [at_rate(clip, clip_hz, rate_hz) for clip, clip_hz in read]
    samples = np.concatenate([part for clip in clips for part in (clip, np.zeros(4 * rate_hz, np.float32))])
    samples = np.resize(samples, round(seconds * rate_hz)).astype(np.float32)
    return samples + np.random.default_rng(0).normal(0, 1e-3, len(samples)).astype(np.float32)


def speed(model: ComparedModel, seconds: float) -> Figures:
    """Measure the analysis of a recording on one core."""
    scorer = Scorer(model, threads=1)
    samples = frogs(seconds, scorer.rate_hz)
    spent_s = _spent(scorer, samples, time.process_time)
    # Not getrusage: its peak includes the parent process.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return {
        "one": seconds / spent_s,
        "mmac": scorer.macs_per_s / 1e6,
        "peak_mb": int(peak) / 1024,
        "file_mb": scorer.file_bytes / 1e6,
        "hour_cpu_s": 3600 * spent_s / seconds,
    }


def _spent(scorer: Scorer, samples: FloatArray, clock: Callable[[], float]) -> float:
    scorer.score(scorer.microphone_input)
    began = clock()
    scorer.score(samples)
    return clock() - began


def speed_on_two(model: ComparedModel, seconds: float) -> Figures:
    """Measure two cores: two recordings in two threads for a bundle, torch's own threads for a torch model."""
    if model.is_bundle:
        scorers = [Scorer(model, threads=1) for _ in range(CORES)]
        samples = frogs(seconds, scorers[0].rate_hz)
        threads = [Thread(target=scorer.score, args=(samples,)) for scorer in scorers]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"two": CORES * seconds / (time.perf_counter() - began)}
    scorer = Scorer(model, threads=CORES)
    return {"two": seconds / _spent(scorer, frogs(seconds, scorer.rate_hz), time.perf_counter)}


def inferences(model: ComparedModel, _seconds: float) -> Figures:
    """Measure single inferences with the input of a microphone."""
    scorer = Scorer(model, threads=1)
    count = INFERENCES if model.is_bundle else 5
    scorer.score(scorer.microphone_input)
    wall_s = []
    began_s = time.process_time()
    for _ in range(count):
        at = time.perf_counter()
        scorer.score(scorer.microphone_input)
        wall_s.append(time.perf_counter() - at)
    share = (time.process_time() - began_s) / count / scorer.interval_s
    median_ms, most_ms = (np.percentile(wall_s, [50, 99]) * 1e3).tolist()
    return {"share": share, "median_ms": median_ms, "most_ms": most_ms}


def cold_start(model: ComparedModel, _seconds: float) -> Figures:
    """Measure the start of Python, the load of the model and one inference."""
    program = (
        "from model_comparison.models import ComparedModel, Scorer\n"
        f"scorer = Scorer(ComparedModel('', {model.source!r}), 1)\n"
        "scorer.score(scorer.microphone_input)"
    )
    began = time.perf_counter()
    path = os.pathsep.join(filter(None, sys.path))
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": path})
    return {"cold_s": time.perf_counter() - began}


BY_NAME: dict[str, Callable[[ComparedModel, float], Figures]] = {
    "speed": speed,
    "speed_on_two": speed_on_two,
    "inferences": inferences,
    "cold_start": cold_start,
}


def delivery(bundle: Path, seconds: float, block_s: float) -> str:
    """Run a whole device on a microphone in real time, with blocks of `block_s`.

    Return a sentence with the latency of events and the CPU time. A low threshold and merge gap give many events.
    """
    stop = Event()
    microphone = _PlayedMicrophone(frogs(seconds, CARD_RATE_HZ), CARD_RATE_HZ, block_s, stop)
    arrived: list[tuple[float, bytes]] = []
    with tempfile.TemporaryDirectory(prefix="anura-side-") as folder:
        broker = Broker(Path(folder), free_port())
        broker.start()
        client = _subscribe(broker.port, arrived)
        config = Config(
            state_dir=Path(folder) / "state",
            device=DeviceSettings(site="bench", name="bench"),
            audio=AudioSettings(trust_clock=True, block_s=block_s),
            model=ModelSettings(bundle=bundle),
            detect=DetectionSettings(threshold=LOW_THRESHOLD, merge_gap_s=MERGE_GAP_S),
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
    delays_ms = [1e3 * delay_s for delay_s in _delays(arrived, bundle, microphone.zero_s)]
    if not delays_ms:
        return f"A whole device on a microphone, {block_s:g} s per block: {share:.2%} of a core; it detected nothing."
    median, most = np.percentile(delays_ms, [50, 99])
    return (
        f"A whole device on a microphone, {block_s:g} s per block, with delivery: {share:.2%} of a core. From the "
        f"last sample that an event needs to a subscriber at a broker: median {median:.0f} ms, 99 % below {most:.0f} "
        f"ms ({len(delays_ms)} events)."
    )


class _PlayedMicrophone:
    """A microphone that gives a recording in real time."""

    name, channels = "playing", 1

    def __init__(self, samples: FloatArray, rate_hz: int, block_s: float, stop: Event) -> None:
        self._sound, self.rate_hz, self._stop = samples, rate_hz, stop
        self._block = round(block_s * rate_hz)
        self._position = 0
        self.zero_s = monotonic_s()

    def read(self, _timeout_s: float) -> CapturedBlock | None:
        """Return the next block at the time of its last sample."""
        if not self._position:
            self.zero_s = monotonic_s()
        block = self._sound[self._position :][: self._block]
        if not len(block):
            self._stop.set()
            return None
        first, self._position = self._position, self._position + len(block)
        # A microphone never gives a block early.
        time.sleep(max(0.0, self.zero_s + self._position / self.rate_hz - monotonic_s()))
        return CapturedBlock(block[:, None], first, monotonic_s(), overflowed=False)

    def close(self) -> None:
        """Do nothing."""


def _delays(arrived: list[tuple[float, bytes]], bundle: Path, zero_s: float) -> list[float]:
    """Return the delay of each event after its deciding sample. Events cut by the recording's end are left out."""
    manifest = load_bundle(bundle).manifest
    gap = round(MERGE_GAP_S * manifest.rate_hz)
    frames = -(-(gap + manifest.window_samples - manifest.hop_samples) // manifest.hop_samples)
    frames += manifest.averaged_frames // 2
    tracker_delay_s = (frames * manifest.hop_samples + manifest.lookahead_samples) / manifest.rate_hz
    delays_s = []
    for at_s, payload in arrived:
        for row in wire.EventBatch.from_bytes(payload).rows:
            delay_s = at_s - zero_s - row.offset_sample / row.rate_hz - tracker_delay_s
            delays_s += [delay_s] if delay_s > 0 else []
    return delays_s


def _subscribe(port: int, arrived: list[tuple[float, bytes]]) -> Client:
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
