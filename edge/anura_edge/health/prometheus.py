"""Write the health message as a metrics file for the textfile collector of Prometheus' node_exporter."""

from pathlib import Path

from anura_edge.wire import Health

_METRICS = {
    "anura_audio_analysed_seconds_total": "analysed_s",
    "anura_audio_dropped_seconds_total": "dropped_s",
    "anura_audio_gated_seconds_total": "gated_s",
    "anura_audio_paused_seconds_total": "paused_s",
    "anura_audio_gaps_total": "gaps",
    "anura_audio_overflows_total": "overflows",
    "anura_audio_drift_ppm": "drift_ppm",
    "anura_inference_overruns_total": "overruns",
    "anura_inference_real_time_factor": "real_time_factor",
    "anura_since_sample_seconds": "since_sample_s",
    "anura_since_inference_seconds": "since_inference_s",
    "anura_outbox_pending": "pending",
    "anura_outbox_oldest_seconds": "oldest_pending_s",
    "anura_disk_free_bytes": "disk_free_bytes",
    "anura_disk_free_inodes": "disk_free_inodes",
    "anura_clips_saved_total": "clips_saved",
    "anura_clips_dropped_total": "clips_dropped",
    "anura_clips_withheld_total": "clips_withheld",
    "anura_battery_percent": "battery_percent",
    "anura_on_battery": "on_battery",
    "anura_memory_bytes": "memory_bytes",
    "anura_temperature_celsius": "temperature_c",
    "anura_throttled_bits": "throttled",
    "anura_clock_synchronised": "clock_synchronised",
    "anura_running_seconds": "running_s",
    "anura_problems": "problems",
}
"""Metric names, and the field of the health message that each shows. `wire.Health` describes the fields."""


def write(path: Path, health: Health) -> None:
    """Replace the file atomically, so that its reader never sees an incomplete one.

    Raises OSError.
    """
    unfinished = path.with_suffix(".tmp")  # the collector reads only files that end in .prom
    unfinished.write_text(text(health), encoding="utf-8")
    unfinished.replace(path)


def text(health: Health) -> str:
    """Return a health message in Prometheus' text format, version 0.0.4. Unknown values are left out."""
    labels = f'version="{health.app_version}",model_sha256="{health.model_sha256}",config_hash="{health.config_hash}"'
    lines = ["# TYPE anura_info gauge", f"anura_info{{{labels}}} 1"]
    for name, field in _METRICS.items():
        value = getattr(health, field)
        if value is not None:
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# TYPE {name} {kind}", f"{name} {len(value) if field == 'problems' else float(value):.15g}"]
    return "\n".join(lines) + "\n"
