"""The taxa of BirdNET's labels.

The labels file has names only, so this module lists the genera of all taxa except birds. A genus that is not listed is
a bird. The range model was trained on observations of birds. For other labels its
scores are about 0.0015 everywhere on earth (measured on a grid of 10 degrees), so they contain no information.
"""

from anura_edge.errors import ConfigError

BIRDS, SOUNDS = "Aves", "sound"

TAXA: dict[str, tuple[str, ...]] = {
    "Anura": (
        "Acris",
        "Anaxyrus",
        "Dryophytes",
        "Eleutherodactylus",
        "Gastrophryne",
        "Hyliola",
        "Incilius",
        "Lithobates",
        "Pseudacris",
        "Scaphiopus",
        "Spea",
    ),
    "Insecta": (
        "Allonemobius",
        "Amblycorypha",
        "Anaxipha",
        "Apis",
        "Atlanticus",
        "Conocephalus",
        "Cyrtoxipha",
        "Eunemobius",
        "Gryllus",
        "Microcentrum",
        "Miogryllus",
        "Neoconocephalus",
        "Neonemobius",
        "Oecanthus",
        "Orchelimum",
        "Orocharis",
        "Phyllopalpus",
        "Pterophylla",
        "Scudderia",
    ),
    "Mammalia": ("Alouatta", "Canis", "Odocoileus", "Sciurus", "Tamias", "Tamiasciurus"),
    SOUNDS: (
        "Dog",
        "Engine",
        "Environmental",
        "Fireworks",
        "Gun",
        "Human",
        "Noise",
        "Power",
        "Siren",
    ),
}
"""First words of the labels of each taxon: genera, or for sounds the first words of their names."""

_TAXON_OF = {word: taxon for taxon, words in TAXA.items() for word in words}


def taxon_of(scientific_name: str) -> str:
    """Return `Aves` or a key of TAXA."""
    return _TAXON_OF.get(scientific_name.split(" ")[0], BIRDS)


def check_taxon(name: str) -> str:
    """Return a taxon's name as it is written here; upper and lower case are equal. ConfigError for an unknown taxon."""
    known = {taxon.casefold(): taxon for taxon in (BIRDS, *TAXA)}
    if name.casefold() not in known:
        raise ConfigError(f"unknown taxon {name!r}; choose one of {', '.join(known.values())}")
    return known[name.casefold()]
