"""The metrics equal the health message, and the file is never incomplete."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from anura_edge.health import prometheus
from anura_edge.wire import Health

HEALTH = Health(
    utc=datetime(2026, 11, 20, tzinfo=UTC),
    every_s=60,
    problems=("the model does not answer",),
    uptime_s=1e6,
    running_s=123.5,
    app_version="0.1.0",
    model_sha256="5f" * 32,
    config_hash="c0ffee",
    overruns=2,
    analysed_s=1e5,
    dropped_s=0.25,
    gaps=1,
    pending=12_345_678,
    clock_synchronised=False,
)


def values(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE))


def test_metric_values_are_those_of_the_health_message() -> None:
    assert values(prometheus.text(HEALTH)) == {
        "anura_audio_analysed_seconds_total": "100000",
        "anura_audio_dropped_seconds_total": "0.25",
        "anura_audio_gated_seconds_total": "0",
        "anura_audio_paused_seconds_total": "0",
        "anura_audio_gaps_total": "1",
        "anura_audio_overflows_total": "0",
        "anura_inference_overruns_total": "2",
        "anura_outbox_pending": "12345678",
        "anura_clock_synchronised": "0",
        "anura_running_seconds": "123.5",
        "anura_problems": "1",
    }


def test_optional_values_appear_when_known() -> None:
    more = HEALTH.model_copy(update={"temperature_c": -3.5, "oldest_pending_s": 7.0, "throttled": 0})
    assert values(prometheus.text(more)).items() >= {
        ("anura_temperature_celsius", "-3.5"),
        ("anura_outbox_oldest_seconds", "7"),
        ("anura_throttled_bits", "0"),
    }


def test_every_line_has_the_prometheus_text_format() -> None:
    for line in prometheus.text(HEALTH).splitlines():
        assert re.fullmatch(r'# TYPE \w+ (gauge|counter)|\w+(\{(\w+="[^"\\]*",?)+\})? [-+.e\d]+', line)


def test_file_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "anura.prom"
    prometheus.write(path, HEALTH)
    prometheus.write(path, HEALTH.model_copy(update={"pending": 7}))
    assert values(path.read_text())["anura_outbox_pending"] == "7"
    assert [*tmp_path.iterdir()] == [path]
    with pytest.raises(OSError, match="nowhere"):
        prometheus.write(tmp_path / "nowhere" / "anura.prom", HEALTH)
