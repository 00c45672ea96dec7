"""Which saved audio is worth its place: the best of every species in every night, and the rare before the common.

What a clip is worth stands in its name, so that the folder itself is the only list: time in UTC, and for each species
in it the label's code and the probability in thousandths, as in `20261120T193002500Z_PSECRU-974_HYLVER-551.flac`.
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
"""Longer names help nobody; a chorus of more species keeps its surest ones."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of saved audio."""

    utc: datetime
    """When it begins."""
    scores: tuple[tuple[str, int], ...]
    """Each label that is in it with its highest probability, in thousandths, the surest first."""
    size_bytes: int = 0

    @property
    def name(self) -> str:
        """Its file's name."""
        moment = f"{self.utc:%Y%m%dT%H%M%S}{self.utc.microsecond // 1000:03d}Z"
        return "_".join([moment, *(f"{label}-{score}" for label, score in self.scores)]) + ".flac"

    def night(self, zone: tzinfo) -> date:
        """Return the date of the night in which it begins."""
        return night_of_local_time(self.utc.astimezone(zone))


def make_clip(utc: datetime, calls: Iterable[tuple[str, float]]) -> Clip:
    """Name the audio around some calls, given as label and probability."""
    best: dict[str, int] = {}
    for label, p in calls:
        code = re.sub("[^A-Za-z0-9]", "", label)[:16] or "x"  # a label's code becomes part of a path
        best[code] = max(best.get(code, 0), round(1000 * p))
    surest = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:_MAX_LABELS]
    utc = utc.astimezone(UTC)
    return Clip(utc.replace(microsecond=utc.microsecond // 1000 * 1000), tuple(surest))


def parse_clip_name(name: str, size_bytes: int) -> Clip | None:
    """Read a clip's name; None if it is none of ours."""
    if not (match := _NAME.fullmatch(name)):
        return None
    try:
        utc = datetime.strptime(match[1] + "000", "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
    except ValueError:
        return None
    pairs = (part.rsplit("-", 1) for part in match[2].strip("_").split("_"))
    return Clip(utc, tuple((label, int(score)) for label, score in pairs), size_bytes)


def surplus(clips: Iterable[Clip], best_per_night: int, zone: tzinfo) -> set[Clip]:
    """Return the clips that are among the best of no species in their night; of equals, the earlier ones are better."""
    clips = set(clips)
    by_night: defaultdict[tuple[str, date], list[tuple[int, datetime, str, Clip]]] = defaultdict(list)
    for clip in clips:
        for label, score in clip.scores:
            by_night[label, clip.night(zone)].append((-score, clip.utc, clip.name, clip))
    best = (entry[-1] for entries in by_night.values() for entry in sorted(entries)[:best_per_night])
    return clips - set(best)


def least_valuable_first(clips: Iterable[Clip]) -> Iterator[Clip]:
    """Yield the clips in the order to lose them: all that is in one is common, then it is unsure, then it is old.

    What is common is counted anew with each that is lost.
    """
    ranked = sorted(clips, key=lambda clip: (clip.scores[0][1], clip.utc))
    counts = Counter(label for clip in ranked for label, _ in clip.scores)
    by_rarest: defaultdict[str, list[tuple[int, Clip]]] = defaultdict(list)
    for rank, clip in enumerate(ranked):
        by_rarest[_rarest(clip, counts)].append((rank, clip))  # in order, and so a heap
    while by_rarest:
        label = min(by_rarest, key=lambda label: (-counts[label], by_rarest[label][0][0]))
        rank, clip = heappop(by_rarest[label])
        if not by_rarest[label]:
            del by_rarest[label]
        rarest = _rarest(clip, counts)
        if counts[rarest] < counts[label]:  # something else in it has become rarer meanwhile; counts only fall
            heappush(by_rarest[rarest], (rank, clip))
        else:
            counts.subtract(label for label, _ in clip.scores)
            yield clip


def _rarest(clip: Clip, counts: Counter[str]) -> str:
    return min((label for label, _ in clip.scores), key=counts.__getitem__)
