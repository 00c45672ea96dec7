"""English names and current scientific names of the frogs in our data sets, by code."""

COMMON_NAMES = {
    "ACRCRE": "Northern Cricket Frog",
    "ANAAME": "American Toad",
    "ANAFOW": "Fowler's Toad",
    "GASCAR": "Eastern Narrow-mouthed Toad",
    "HYLCIN": "Green Treefrog",
    "HYLGRA": "Barking Treefrog",
    "HYLSQU": "Squirrel Treefrog",
    "HYLVER": "Gray Treefrog complex",
    "LITCAT": "American Bullfrog",
    "LITCLA": "Green Frog",
    "LITPAL": "Pickerel Frog",
    "LITSPH": "Southern Leopard Frog",
    "LITSYL": "Wood Frog",
    "PSEBRA": "Mountain Chorus Frog",
    "PSECRU": "Spring Peeper",
    "PSEFER": "Upland Chorus Frog",
    "PSENIG": "Southern Chorus Frog",
    "PSEOCU": "Little Grass Frog",
    "SCAHOL": "Eastern Spadefoot",
}
"""SSAR's standard English names (Crother et al. 2017, Herpetological Circular 43). The two gray treefrogs share a code:
*Hyla versicolor* and *H. chrysoscelis* differ by pulse rate alone."""

RENAMED = {
    "HYLCIN": ("Dryophytes cinereus",),
    "HYLGRA": ("Dryophytes gratiosus",),
    "HYLSQU": ("Dryophytes squirellus",),
    "HYLVER": ("Dryophytes chrysoscelis", "Dryophytes versicolor"),
}
"""Codes whose species have another name in BirdNET and in newer data sets (Duellman, Marion, Hedges 2016, Zootaxa
4104)."""


def current_names(code: str, scientific_name: str) -> tuple[str, ...]:
    """Return the current scientific names of a code's species: one, or more if species share the code."""
    return RENAMED.get(code) or (scientific_name,)
