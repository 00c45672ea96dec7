"""Rank clips: the best of every label in every night are stored, and rare labels are deleted last.

A clip's name contains its rank, so that the folder needs no index: the time in UTC, and for each label its code and its
score in thousandths, as in `20261120T193002500Z_PSECRU-974_HYLVER-551.flac`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from heapq import heappop, heappush

from anura_edge.events import night_of_local_time

_NAME = re.compile(r"(\d{8}T\d{9})Z((?:_[A-Za-z0-9]{1,16}-\d{1,4})+)\.flac", re.ASCII)
_MAX_LABELS = 8
"""The name of a chorus of more labels contains those with the highest scores."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A stored clip: the time, labels and scores in its file name."""

    utc: datetime
    """Time of its first sample."""
    scores: tuple[tuple[str, int], ...]
    """Each label in it with its highest score, in thousandths, in descending order."""
    size_bytes: int = 0

    @property
    def name(self) -> str:
        """Name of its file."""
        moment = f"{self.utc:%Y%m%dT%H%M%S}{self.utc.microsecond // 1000:03d}Z"
        return "_".join([moment, *(f"{label}-{score}" for label, score in self.scores)]) + ".flac"

    def night(self, zone: tzinfo) -> date:
        """Return the date of the night in which it begins."""
        return night_of_local_time(self.utc.astimezone(zone))


def make_clip(utc: datetime, events: Iterable[tuple[str, float]]) -> Clip:
    """Return the clip with events, each given as label and score."""
    best: dict[str, int] = {}
    for label, p in events:
        code = re.sub("[^A-Za-z0-9]", "", label)[:16] or "x"  # the label becomes a part of a path
        best[code] = max(best.get(code, 0), round(1000 * p))
    highest = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:_MAX_LABELS]
    utc = utc.astimezone(UTC)
    return Clip(utc.replace(microsecond=utc.microsecond // 1000 * 1000), tuple(highest))


def parse_clip_name(name: str, size_bytes: int) -> Clip | None:
    """Return the clip with this file name; None if it is not a clip's name."""
    if not (match := _NAME.fullmatch(name)):
        return None
    try:
        utc = datetime.strptime(match[1] + "000", "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
    except ValueError:
        return None
    pairs = (part.rsplit("-", 1) for part in match[2].strip("_").split("_"))
    return Clip(utc, tuple((label, int(score)) for label, score in pairs), size_bytes)


def surplus(clips: Iterable[Clip], best_per_night: int, zone: tzinfo) -> set[Clip]:
    """Return the clips that are not among the best of any label in their night. Of equals, earlier ones are better."""
    clips = set(clips)
    by_night: defaultdict[tuple[str, date], list[tuple[int, datetime, str, Clip]]] = defaultdict(list)
    for clip in clips:
        for label, score in clip.scores:
            by_night[label, clip.night(zone)].append((-score, clip.utc, clip.name, clip))
    best = (entry[-1] for entries in by_night.values() for entry in sorted(entries)[:best_per_night])
    return clips - set(best)


def least_valuable_first(clips: Iterable[Clip]) -> Iterator[Clip]:
    """Yield clips in the order in which to delete them: first the most common labels, then low scores, then old ones.

    How common a clip is follows from its rarest label. The counts are updated with each yielded clip.
    """
    ranked = sorted(clips, key=lambda clip: (clip.scores[0][1], clip.utc))
    counts = Counter(label for clip in ranked for label, _ in clip.scores)
    by_rarest: defaultdict[str, list[tuple[int, Clip]]] = defaultdict(list)
    for rank, clip in enumerate(ranked):
        by_rarest[_rarest(clip, counts)].append((rank, clip))  # appended in order, so each list is a heap
    while by_rarest:
        label = min(by_rarest, key=lambda label: (-counts[label], by_rarest[label][0][0]))
        rank, clip = heappop(by_rarest[label])
        if not by_rarest[label]:
            del by_rarest[label]
        rarest = _rarest(clip, counts)
        if counts[rarest] < counts[label]:  # another label in it has become rarer since; counts never rise
            heappush(by_rarest[rarest], (rank, clip))
        else:
            counts.subtract(label for label, _ in clip.scores)
            yield clip


def _rarest(clip: Clip, counts: Counter[str]) -> str:
    return min((label for label, _ in clip.scores), key=counts.__getitem__)
