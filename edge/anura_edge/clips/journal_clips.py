"""The audio around the events of a journal, for a program that has the journal and the recordings at hand."""

from pathlib import Path

from anura_edge.clips.finder import ClipFinder
from anura_edge.config.analysis import AudioSettings
from anura_edge.config.operation import ClipSettings
from anura_edge.results.journal_copy import JournalCopy
from anura_edge.store.clip_index import ClipIndex


def clip_finder(journal: JournalCopy, clips: Path, recordings: Path | None) -> ClipFinder:
    """Return the finder of a journal's clips: in the folder of saved clips, and in the folder that was scanned."""
    finder = ClipFinder(ClipIndex(journal.database), clips, ClipSettings(), AudioSettings())
    if recordings:
        finder.add_root(recordings)
    return finder
