"""A table of clips with one class each and a published split, like ESC-50 and InsectSet32.

DIR/*.csv or DIR/meta/*.csv   one table; COLUMN_ALIASES lists the names of its columns
DIR/**                        the clips, in any folder
"""

from pathlib import Path

from anura_train.data.corpus import Corpus, Recording, Taxon, WeakLabel
from anura_train.data.findings import Findings
from anura_train.data.readers.csv_rows import is_code, read_cells
from anura_train.data.readers.filenames import code_of, source_of

COLUMN_ALIASES = {
    "file": ("file", "filename", "file_name", "unique_file"),
    "class": ("code", "species", "category", "label", "class"),
    "split": ("split", "subset", "fold", "data_set", "dataset"),
    "group": ("group", "src_file", "source_file"),
}
"""Field -> the columns that may contain it; the first existing one is used. Without a group it follows from the file
name."""


def read_split_table(root: Path, findings: Findings) -> Corpus:
    """Read clips, their class as a weak label, and the published split."""
    tables = sorted([*root.glob("*.csv"), *root.glob("meta/*.csv")])
    if len(tables) != 1:
        found = ", ".join(table.name for table in tables) or "none"
        findings.error(root, f"must contain one table of clips (found {found}); keep only one")
        return Corpus((), ())
    clips = {path.name: path for path in sorted(root.rglob("*")) if path.is_file()}
    recordings: dict[str, Recording] = {}
    species: dict[str, Taxon] = {}
    for where, cells in read_cells(tables[0], findings, ()):
        columns = {
            field: next((name for name in names if name in cells), "") for field, names in COLUMN_ALIASES.items()
        }
        if missing := [field for field in ("file", "class", "split") if not columns[field]]:
            findings.error(
                f"{tables[0]}, line 1",
                f"no column for the {missing[0]}; name it {' or '.join(COLUMN_ALIASES[missing[0]])}",
            )
            break
        file, name = cells[columns["file"]].strip(), cells[columns["class"]].strip()
        code = code_of(name)
        if not is_code(code) or not file:
            findings.error(where, f"class {name!r}: not a name of 1 to 32 letters and digits; correct the row")
            continue
        if file in recordings:
            findings.error(where, f"{file} is listed twice; delete one of the rows")
            continue
        species.setdefault(code, Taxon(code, scientific_name="" if code == name else name))
        recordings[file] = Recording(
            path=root / file if (root / file).is_file() else clips.get(Path(file).name, root / file),
            name=file,
            group=cells.get(columns["group"]) or source_of(file),
            weak=(WeakLabel(code),),
            split=cells[columns["split"]].strip(),
            licence=cells.get("licence", ""),
            attribution=cells.get("attribution", ""),
        )
    return Corpus(tuple(recordings.values()), tuple(species[code] for code in sorted(species)))
