"""The species of AnuraSet, in the order of its columns.

A code has three letters of the genus and three of the species. Codes that differ from today's names (ADEMAR, BOAALM,
PHYSAU, PHYDIS, SCIRIZ) were matched by elimination from the paper's list of species. The frequency of a species follows
Moummad et al. 2024 (Mix2, arXiv 2403.09598).
"""

from anura_train.data.corpus import Taxon

ANURASET = {
    taxon.code: taxon
    for taxon in (
        Taxon("SPHSUR", "Sphaenorhynchus surdus", frequency="frequent"),
        Taxon("BOABIS", "Boana bischoffi", frequency="frequent"),
        Taxon("SCIPER", "Scinax perereca", frequency="common"),
        Taxon("DENNAH", "Dendropsophus nahdereri", frequency="rare"),
        Taxon("LEPLAT", "Leptodactylus latrans", frequency="common"),
        Taxon("RHIICT", "Rhinella icterica", frequency="rare"),
        Taxon("BOALEP", "Boana leptolineata", frequency="rare"),
        Taxon("BOAFAB", "Boana faber", frequency="frequent"),
        Taxon("PHYCUV", "Physalaemus cuvieri", frequency="common"),
        Taxon("DENMIN", "Dendropsophus minutus", frequency="common"),
        Taxon("ELABIC", "Elachistocleis bicolor", frequency="rare"),
        Taxon("BOAPRA", "Boana prasina", frequency="rare"),
        Taxon("DENCRU", "Dendropsophus cruzi", frequency="rare"),
        Taxon("BOALUN", "Boana lundii", frequency="rare"),
        Taxon("BOAALB", "Boana albopunctata", frequency="common"),
        Taxon("PHYMAR", "Physalaemus marmoratus", frequency="rare"),
        Taxon("PITAZU", "Pithecopus azureus", frequency="common"),
        Taxon("PHYSAU", "Phyllomedusa sauvagii", frequency="rare"),
        Taxon("LEPFUS", "Leptodactylus fuscus", frequency="rare"),
        Taxon("DENNAN", "Dendropsophus nanus", frequency="common"),
        Taxon("PHYALB", "Physalaemus albonotatus", frequency="common"),
        Taxon("LEPLAB", "Leptodactylus labyrinthicus", frequency="rare"),
        Taxon("SCIFUS", "Scinax fuscomarginatus", frequency="rare"),
        Taxon("BOARAN", "Boana raniceps", frequency="rare"),
        Taxon("SCIFUV", "Scinax fuscovarius", frequency="rare"),
        Taxon("AMEPIC", "Ameerega picta", frequency="rare"),
        Taxon("LEPPOD", "Leptodactylus podicipinus", frequency="frequent"),
        Taxon("ADEDIP", "Adenomera diptyx", frequency="rare"),
        Taxon("ELAMAT", "Elachistocleis matogrosso", frequency="rare"),
        Taxon("PHYNAT", "Physalaemus nattereri", frequency="rare"),
        Taxon("LEPELE", "Leptodactylus elenae", frequency="rare"),
        Taxon("RHISCI", "Rhinella scitula", frequency="rare"),
        Taxon("SCINAS", "Scinax nasicus", frequency="rare"),
        Taxon("LEPNOT", "Leptodactylus notoaktites", frequency="rare"),
        Taxon("ADEMAR", "Adenomera marmorata", frequency="rare"),
        Taxon("BOAALM", "Boana albomarginata", frequency="rare"),
        Taxon("PHYDIS", "Phyllomedusa distincta", frequency="rare"),
        Taxon("RHIORN", "Rhinella ornata", frequency="rare"),
        Taxon("LEPFLA", "Leptodactylus flavopictus", frequency="rare"),
        Taxon("SCIRIZ", "Ololygon rizibilis", frequency="rare"),
        Taxon("DENELE", "Dendropsophus elegans", frequency="rare"),
        Taxon("SCIALT", "Scinax alter", frequency="rare"),
    )
}
