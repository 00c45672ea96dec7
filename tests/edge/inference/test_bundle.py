"""A bundle matches its manifest, or it is refused and the wrong file is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anura_edge.errors import ModelError
from anura_edge.inference.bundle import (
    CARD,
    DEFAULT_BUNDLE,
    GOLDEN_CLIP,
    GOLDEN_SCORES,
    MANIFEST,
    MODEL,
    SHIPPED_BUNDLES,
    Bundle,
    load_bundle,
    sha256,
)

FILES = [MODEL, CARD, GOLDEN_CLIP, GOLDEN_SCORES]


def change_manifest(path: Path, **changes: Any) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    manifest |= changes
    (path / MANIFEST).write_text(json.dumps(manifest))


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_bundle(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_bundle_is_read_as_written(bundle: Bundle) -> None:
    assert bundle.manifest.id == "tones"
    assert bundle.model_sha256 == sha256(bundle.model)
    clip, scores = bundle.golden()
    assert clip.is_file()
    assert scores.shape[1] == len(bundle.manifest.labels)


@pytest.mark.parametrize("name", SHIPPED_BUNDLES)
def test_shipped_bundle_is_found_by_its_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    bundle = load_bundle(Path(name))
    assert bundle.path == SHIPPED_BUNDLES[name]
    assert bundle.manifest.id == bundle.path.name


def test_every_shipped_bundle_has_a_name() -> None:
    assert sorted(SHIPPED_BUNDLES.values()) == sorted(
        each.parent for each in DEFAULT_BUNDLE.parent.glob("*/manifest.json")
    )


def test_field_of_a_newer_version_is_ignored(own_bundle: Path) -> None:
    change_manifest(own_bundle, colour_of_the_frog="green")
    assert load_bundle(own_bundle).manifest.id == "tones"


def test_older_bundle_is_float32_with_default_tolerance(own_bundle: Path) -> None:
    manifest = json.loads((own_bundle / MANIFEST).read_text())
    newer = {"precision", "made_from", "golden_tolerance", "parity", "cost"}
    (own_bundle / MANIFEST).write_text(json.dumps({k: v for k, v in manifest.items() if k not in newer}))
    read = load_bundle(own_bundle).manifest
    assert (read.precision, read.made_from, read.parity, read.cost) == ("float32", None, None, None)
    assert read.golden_tolerance == 1e-3


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("at", [0.0, 0.5, 1.0])
def test_flipped_bit_is_refused_and_the_file_named(own_bundle: Path, name: str, at: float) -> None:
    content = bytearray((own_bundle / name).read_bytes())
    content[round(at * (len(content) - 1))] ^= 1
    (own_bundle / name).write_bytes(content)
    assert f"{name} is damaged" in refusal(own_bundle)


@pytest.mark.parametrize("name", FILES)
def test_missing_empty_or_unlisted_file_is_refused(own_bundle: Path, name: str) -> None:
    content = (own_bundle / name).read_bytes()
    (own_bundle / name).write_bytes(b"")
    assert name in refusal(own_bundle)
    (own_bundle / name).unlink()
    assert name in refusal(own_bundle)
    (own_bundle / name).write_bytes(content)
    files = json.loads((own_bundle / MANIFEST).read_text())["files"]
    change_manifest(own_bundle, files={other: digest for other, digest in files.items() if other != name})
    assert f"does not list {name}" in refusal(own_bundle)


@pytest.mark.parametrize("name", ["../outside", "golden/../../outside", "/etc/hostname", "link", "", "golden", "a\0b"])
def test_listed_path_outside_the_bundle_is_refused(own_bundle: Path, name: str) -> None:
    outside = own_bundle.parent / "outside"
    outside.write_bytes(b"secret")
    (own_bundle / "link").symlink_to(outside)
    files = json.loads((own_bundle / MANIFEST).read_text())["files"]
    change_manifest(own_bundle, files={**files, name: sha256(b"secret")})
    refusal(own_bundle)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 10_000, b'{"id": "\\ud800"}'])
def test_invalid_json_is_refused(own_bundle: Path, content: bytes) -> None:
    (own_bundle / MANIFEST).write_bytes(content)
    assert MANIFEST in refusal(own_bundle)


def test_folder_without_a_manifest_is_refused(tmp_path: Path, own_bundle: Path) -> None:
    (own_bundle / MANIFEST).unlink()
    for path in (own_bundle, tmp_path / "nowhere", own_bundle / MODEL):
        assert "name a bundle's folder" in refusal(path)


LABEL = {"code": "A", "scientific_name": "A a", "threshold": 0.5}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"kind": "transformer"}, "kind"),
        ({"labels": []}, "labels"),
        ({"labels": [LABEL, LABEL]}, "labels"),
        ({"labels": [{**LABEL, "threshold": 2}]}, "threshold"),
        ({"labels": [{**LABEL, "code": "a b"}]}, "code"),
        ({"labels": [{**LABEL, "sensitive": 0.6}]}, "ascend"),
        ({"labels": [{**LABEL, "strict": 0.4}]}, "ascend"),
        ({"labels": [{**LABEL, "week_scores": [0.5] * 52}]}, "week_scores"),
        ({"labels": [{**LABEL, "is_reliable": "perhaps"}]}, "is_reliable"),
        ({"averaged_frames": 0}, "averaged_frames"),
        ({"kind": "window", "averaged_frames": 2}, "averaged_frames"),
        ({"averaged_frames": 3}, "stream"),
        ({"rate_hz": 0}, "rate_hz"),
        ({"hop_samples": 0}, "hop_samples"),
        ({"hop_samples": 801}, "hop"),
        ({"hop_samples": 400}, "hop"),
        ({"window_samples": -1}, "window_samples"),
        ({"id": "../up"}, "id"),
        ({"version": "1"}, "version"),
        ({"files": {MODEL: "short"}}, "files"),
        ({"files": {}}, MODEL),
        ({"precision": "int4"}, "precision"),
        ({"golden_tolerance": 0.2}, "golden_tolerance"),
        ({"made_from": "somewhere"}, "made_from"),
    ],
)
def test_invalid_manifest_field_is_refused_and_named(own_bundle: Path, changes: dict[str, Any], word: str) -> None:
    change_manifest(own_bundle, **changes)
    assert word in refusal(own_bundle)


def test_bundle_can_be_in_any_folder(
    tmp_path: Path, write_bundle: Callable[..., Path], stream_model: Any, stream_bundle: Bundle
) -> None:
    other = load_bundle(write_bundle(tmp_path / "some where else", stream_model))
    assert other.model_sha256 == stream_bundle.model_sha256
