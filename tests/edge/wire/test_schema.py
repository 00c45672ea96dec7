"""The JSON Schema covers every payload, and public field names do not change."""

import json
from typing import Any

from anura_edge import wire


def test_json_schema_is_complete_and_up_to_date() -> None:
    schema = json.loads(json.dumps(wire.json_schema()))
    assert schema == json.loads(json.dumps(wire.json_schema()))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    kinds = {"event", "effort", "notice", "status", "health", "ack", "clip", "cmd", "update"}
    assert set(schema["properties"]) == kinds
    for reference in _references(schema):
        place = schema
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert place == {} or place["type"] in ("object", "string"), "{} is any JSON"


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []


def test_public_field_names_are_unchanged(event_batch: dict[str, Any]) -> None:
    """They may be added to, never renamed: this list only grows."""
    assert {"schema", "journal", "floor", "rows"} <= set(event_batch)
    row = "seq id recording recording_name start_utc rate_hz clock_source model_id model_version model_sha256 "
    row += "config_hash app_version label scientific_name end_utc onset_sample offset_sample p_peak p_mean level_dbfs"
    row += " channel common_name is_reliable"
    assert set(row.split()) <= set(event_batch["rows"][0])
    fields = wire.json_schema()["$defs"]
    assert {"what", "utc", "detail", "recording", "amount"} <= set(fields["NoticeRow"]["properties"])
    assert {"state", "first_sample", "samples"} <= set(fields["EffortRow"]["properties"])
    health = (
        "schema utc every_s problems boot_id uptime_s running_s app_version model_sha256 config_hash since_sample_s "
    )
    health += "since_inference_s real_time_factor overruns analysed_s dropped_s gaps pending oldest_pending_s "
    health += "disk_free_bytes disk_free_inodes memory_bytes temperature_c throttled clock_synchronised "
    health += "battery_percent on_battery"
    assert set(health.split()) <= set(fields["Health"]["properties"])
    assert {"schema", "journal", "seq"} <= set(fields["Ack"]["properties"])
    assert set(fields["ClipPart"]["properties"]) >= {"event", "sha256", "size", "first_sample", "offset", "data"}
    assert set(fields["ClipDenial"]["properties"]) >= {"event", "why", "detail"}
    assert set(fields["ClipWanted"]["properties"]) >= {"command", "event", "offset", "sha256"}
    assert set(fields["ClipSettled"]["properties"]) >= {"command", "event"}
    assert {"schema", "state", "since_utc", "app_version", "model_id", "model_sha256"} <= set(
        fields["Status"]["properties"]
    )
