"""Exported names are those that other programs know, and equal names stay apart."""

from typing import Any

from exported import store, table, unzipped, whole_file
from sqlalchemy import Engine


def test_common_name_is_a_name_and_no_code(engine: Engine, make: Any) -> None:
    names = {"common_name": "Spring Peeper", "scientific_name": "Pseudacris crucifer", "label": "PSECRU"}
    store(engine, make.event(1, **names), make.event(2, **names | {"common_name": ""}))
    named, nameless = table(engine, "birdnet")
    assert (named["Common name"], named["label"]) == ("Spring Peeper", "PSECRU")
    assert nameless["Common name"] == "Pseudacris crucifer"


def test_group_of_species_has_the_name_of_its_genus(engine: Engine, make: Any) -> None:
    group = "Hyla versicolor/chrysoscelis"
    store(engine, make.event(1, scientific_name=group, common_name="Gray Treefrog"))
    (call,), (selection,), (occurrence,) = (table(engine, name) for name in ("birdnet", "raven", "darwin-core"))
    assert (call["Scientific name"], call["Common name"], call["model_name"]) == ("Hyla", "Gray Treefrog", group)
    assert selection["Scientific Name"] == "Hyla"
    assert (occurrence["scientificName"], occurrence["taxonRank"]) == ("Hyla", "genus")
    assert occurrence["verbatimIdentification"] == group


def test_label_tracks_of_equal_name_in_different_folders_stay_apart(engine: Engine, make: Any) -> None:
    for number, name in enumerate(("A/1.wav", "B/1.wav", "B\\1.wav"), 1):
        store(engine, make.event(number, recording_name=name, recording=f"b2:{number}"))
    assert [*unzipped(whole_file(engine, "audacity"))] == [
        "pond/one/A/1.txt",
        "pond/one/B/1.txt",
        "pond/one/B/1-2.txt",
    ]
