"""Finds speech in a clip, with the published network of Silero (silero-vad, MIT), so that people are not recorded.

The network scores 32 ms of audio at 16 kHz, with the 4 ms before them and a state. Measured on recordings of frogs and
synthetic speech: docs/how-to/run-with-a-microphone.md.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import soxr
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_edge.errors import ConfigError

RATE_HZ = 16_000
CHUNK = 512
CONTEXT = 64
STATE_SHAPE = (2, 1, 128)

IN_WHEEL = "silero_vad/data/silero_vad_16k_op15.onnx"
"""Path of the network in the published wheel of silero-vad, version 6."""

THRESHOLD = 0.5
"""Score above which a chunk is speech, as in silero-vad."""
MIN_CHUNKS = 3
"""Chunks of speech in a clip that withhold it: 0.1 s. A single chunk may be a frog."""


class VoiceFilter:
    """Tells whether a clip contains speech. Threads may share it."""

    def __init__(self, file: Path) -> None:
        """Load the network from the wheel of silero-vad, or from its ONNX file.

        Raises ConfigError if that is not possible.
        """
        import onnxruntime  # a device without the filter does not wait for this import here

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(_read(file), options, ["CPUExecutionProvider"])
            self.has_speech(np.zeros(RATE_HZ, np.int16), RATE_HZ)
        except Exception as error:  # onnxruntime's errors share no narrower base
            remedy = "name the wheel that `pip download --no-deps silero-vad` fetches"
            raise ConfigError(f"clips.voice_model_file: cannot use {file}: {error}; {remedy}") from error

    def has_speech(self, samples: NDArray[np.int16], rate_hz: int) -> bool:
        """Return whether mono audio, shape (n,), contains at least 0.1 s of speech."""
        audio = soxr.resample(samples.astype(np.float32) / 32_768, rate_hz, RATE_HZ)
        return sum(score >= THRESHOLD for score in self._scores(audio)) >= MIN_CHUNKS

    def _scores(self, audio: FloatArray) -> Iterator[float]:
        state, rate = np.zeros(STATE_SHAPE, np.float32), np.array(RATE_HZ, np.int64)
        padded = np.concatenate([np.zeros(CONTEXT, np.float32), audio, np.zeros(-len(audio) % CHUNK, np.float32)])
        for start in range(0, len(padded) - CONTEXT, CHUNK):
            chunk = padded[None, start : start + CONTEXT + CHUNK]
            score, state = self._session.run(None, {"input": chunk, "state": state, "sr": rate})
            yield float(score[0, 0])


def _read(file: Path) -> bytes:
    content = file.read_bytes()
    try:
        with ZipFile(io.BytesIO(content)) as wheel:
            return wheel.read(IN_WHEEL)
    except (BadZipFile, KeyError):
        return content
