"""A table of clips with one class each and the split of its authors, as ESC-50 and InsectSet32 come.

DIR/*.csv or DIR/meta/*.csv   one table; its columns go by several names, see `COLUMN_ALIASES`
DIR/**                        the clips, wherever they lie
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
"""What is needed -> the columns that may hold it, the first that is there. Without a group, file names tell it."""


def read_split_table(root: Path, findings: Findings) -> Corpus:
    """Read clips, their class as a weak label, and their authors' split."""
    tables = sorted([*root.glob("*.csv"), *root.glob("meta/*.csv")])
    if len(tables) != 1:
        found = ", ".join(table.name for table in tables) or "none"
        findings.error(root, f"holds not one table of clips, but {found}; leave the one in it")
        return Corpus((), ())
    clips = {path.name: path for path in sorted(root.rglob("*")) if path.is_file()}
    recordings: dict[str, Recording] = {}
    species: dict[str, Taxon] = {}
    for where, cells in read_cells(tables[0], findings, ()):
        columns = {what: next((name for name in names if name in cells), "") for what, names in COLUMN_ALIASES.items()}
        if missing := [what for what in ("file", "class", "split") if not columns[what]]:
            findings.error(
                f"{tables[0]}, line 1",
                f"no column for the {missing[0]}; name it {' or '.join(COLUMN_ALIASES[missing[0]])}",
            )
            break
        file, name = cells[columns["file"]].strip(), cells[columns["class"]].strip()
        code = code_of(name)
        if not is_code(code) or not file:
            findings.error(where, f"class {name!r}: no name of 1 to 32 letters and digits; correct the row")
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
