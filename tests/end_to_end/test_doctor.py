"""The doctor listens to a real (virtual) microphone, unless the device is using it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from support import eventually, need

BIN = Path(sys.executable).parent


@pytest.fixture
def look(pulse: Any, tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """Ask the doctor about the microphone."""
    settings = {
        "ANURA__STATE_DIR": str(tmp_path / "device"),
        "ANURA__SOURCE": "mic",
        "ANURA__AUDIO__MICROPHONE": "pulse",
    }

    def ask() -> dict[str, Any]:
        done = subprocess.run(
            [BIN / "anura-edge", "doctor", "--json"],
            env={**os.environ, **pulse.environment, **settings},
            stdout=subprocess.PIPE,
            text=True,
        )
        findings = {finding["part"]: finding for finding in map(json.loads, done.stdout.splitlines())}
        assert done.returncode == any(finding["verdict"] == "fail" for finding in findings.values())
        return findings["microphone"]

    return ask


def test_a_microphone_is_listened_to(look: Callable[[], dict[str, Any]], pulse: Any, tmp_path: Path) -> None:
    assert look()["verdict"] == "fail", "there is no sound server yet"
    pulse.start()
    assert "flat line" in look()["detail"]
    noise = np.random.default_rng(1).normal(0, 0.1, 60 * 48_000).clip(-0.5, 0.5)
    sf.write(tmp_path / "noise.wav", noise, 48_000)
    player = subprocess.Popen([need("paplay"), tmp_path / "noise.wav"], env={**os.environ, **pulse.environment})
    try:
        found = eventually(lambda: finding if (finding := look())["verdict"] != "fail" else None)
        assert found["verdict"] == "ok"
        (level_dbfs,) = re.findall(r"(-\d+) dBFS", found["detail"])
        assert -26 <= int(level_dbfs) <= -19, "noise of -20 dBFS, or a quarter of a second of it"
    finally:
        player.terminate()
        player.wait()


def test_a_device_at_work_keeps_its_microphone(
    look: Callable[[], dict[str, Any]], pulse: Any, start_device: Callable[..., Any]
) -> None:
    pulse.start()
    device = start_device("--source", "mic", environment=pulse.environment, AUDIO__MICROPHONE="pulse")
    eventually(lambda: "listening" in "".join(device.said))
    found = look()
    assert found["verdict"] == "ok"
    assert "in use by the device at work" in found["detail"]
    assert device.stop() == 0
