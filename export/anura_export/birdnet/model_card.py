"""The model card of a BirdNET bundle."""

from collections import Counter
from collections.abc import Sequence

from anura_train.models.birdnet.files import BirdnetFiles, BirdnetLabel
from anura_train.models.birdnet.licence import CREDIT
from anura_train.models.birdnet.taxa import taxon_of

LIMITS = """\
- The weights are only for non-commercial use. Everything that is made from them has the same licence and the credit
  below.
- Scores are not probabilities of presence: neither the authors nor this bundle calibrated them.
- Each window of 3 s is scaled by its own minimum and maximum. So the level has no effect, and one loud click hides
  quiet sounds.
- BirdNET-Analyzer uses windows without overlap; this bundle uses a hop of 1 s.
- Digital silence, and bands above the bandwidth of a recorder, contain only rounding errors. There, the scores of this
  bundle and of the published file can differ visibly. Elsewhere their logits differ by less than 0.001, before the
  weights are rounded.
"""


def birdnet_card(files: BirdnetFiles, labels: Sequence[BirdnetLabel], threshold: float) -> str:
    """Return the model card as Markdown."""
    taxa = Counter(taxon_of(label.scientific_name) for label in labels)
    counts = ", ".join(f"{count:,} {taxon}" for taxon, count in taxa.most_common())
    sections = [
        "# BirdNET v2.4\n\nLicence CC BY-NC-SA 4.0, like the published weights. Converted from the published file "
        f"(SHA-256 `{files.classifier_sha256}`). The weights were rounded to float16 and not trained further.",
        f"## Labels\n\n{len(labels):,} of {len(files.labels):,} labels of BirdNET: {counts}. The threshold "
        f"of every label is {threshold:g}, the default of BirdNET-Analyzer.",
        f"## Limits\n\n{LIMITS.rstrip()}",
        "## Golden clip\n\nSpring Peeper, *Pseudacris crucifer*: USGS Amphibian Research and Monitoring Initiative "
        "(US public domain), with added noise.",
        f"## Credit\n\n{CREDIT}",
    ]
    return "\n\n".join(sections) + "\n"
