"""The doctor records from a virtual microphone, unless the device uses it."""

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
def check_microphone(pulse: Any, tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """Return the doctor's finding about the microphone."""
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


def test_doctor_measures_the_microphone(
    check_microphone: Callable[[], dict[str, Any]], pulse: Any, tmp_path: Path
) -> None:
    assert check_microphone()["verdict"] == "fail", "there is no sound server yet"
    pulse.start()
    assert "flat line" in check_microphone()["detail"]
    noise = np.random.default_rng(1).normal(0, 0.1, 60 * 48_000).clip(-0.5, 0.5)
    sf.write(tmp_path / "noise.wav", noise, 48_000)
    player = subprocess.Popen([need("paplay"), tmp_path / "noise.wav"], env={**os.environ, **pulse.environment})
    try:
        found = eventually(lambda: finding if (finding := check_microphone())["verdict"] != "fail" else None)
        assert found["verdict"] == "ok"
        (level_dbfs,) = re.findall(r"(-\d+) dBFS", found["detail"])
        assert -26 <= int(level_dbfs) <= -19, "noise of -20 dBFS, or a quarter of a second of it"
    finally:
        player.terminate()
        player.wait()


def test_doctor_leaves_the_microphone_to_a_running_device(
    check_microphone: Callable[[], dict[str, Any]], pulse: Any, start_device: Callable[..., Any]
) -> None:
    pulse.start()
    device = start_device("--source", "mic", environment=pulse.environment, AUDIO__MICROPHONE="pulse")
    eventually(lambda: "recording from" in "".join(device.log_lines))
    found = check_microphone()
    assert found["verdict"] == "ok"
    assert "in use by the running device" in found["detail"]
    assert device.stop() == 0
