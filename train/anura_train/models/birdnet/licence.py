"""The licence of BirdNET's weights, which everything that is made from them has too."""

LICENCE = "CC-BY-NC-SA-4.0"
CREDIT = (
    "BirdNET v2.4 by the K. Lisa Yang Center for Conservation Bioacoustics at the Cornell Lab of Ornithology and "
    "Chemnitz University of Technology. Kahl, S., Wood, C. M., Eibl, M., Klinck, H. (2021). BirdNET: A deep learning "
    "solution for avian diversity monitoring. Ecological Informatics 61, 101236. "
    "https://github.com/birdnet-team/BirdNET-Analyzer"
)
