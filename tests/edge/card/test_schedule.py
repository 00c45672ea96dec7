"""The gaps are exactly the scheduled recordings that are missing."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from anura_edge.card.schedule import Gap, Slot, gaps, interval_s, overlaps

START = datetime(2019, 5, 22, 18, 30, tzinfo=UTC)
EVERY_S = st.sampled_from([60, 300, 600, 900, 1_000, 3_600])


def slots(*seconds: float, length: float = 10) -> list[Slot]:
    return [Slot(f"{n}.wav", START + timedelta(seconds=s), length) for n, s in enumerate(seconds)]


@given(st.sets(st.integers(0, 40), min_size=2), EVERY_S, st.lists(st.floats(-2, 2), min_size=41, max_size=41))
def test_each_skipped_slot_is_missing_once(used: set[int], every_s: int, jitter: list[float]) -> None:
    found = gaps(slots(*(n * every_s + jitter[n] for n in sorted(used))), every_s)
    assert sum(gap.recordings for gap in found) == max(used) - min(used) + 1 - len(used)
    assert all(gap.from_utc < gap.until_utc for gap in found)


@given(st.integers(3, 20), st.integers(1, 23), st.data(), st.integers(0, 3_599))
def test_only_usual_slots_count_as_missing(days: int, hours: int, data: st.DataObject, phase_s: int) -> None:
    """The schedule has the same hours every day, and some recordings fail."""
    due = [(day, hour) for day in range(days) for hour in range(hours)]
    inner = [slot for slot in due if slot not in (due[0], due[-1])]
    may_fail = [slot for slot in inner if slot[0] % 2]  # so that every hour stays a usual slot
    failed = data.draw(st.sets(st.sampled_from(may_fail), max_size=days // 2)) if may_fail else set()
    starts_s = [phase_s + day * 86_400 + hour * 3_600 for day, hour in due if (day, hour) not in failed]
    found = gaps(slots(*starts_s), 3_600)
    assert sum(gap.recordings for gap in found) == len(failed)


def test_gap_of_years_is_counted_in_constant_time() -> None:
    three_days = [day * 86_400 + hour * 3_600 for day in range(3) for hour in range(2)]
    much_later = 50 * 365 * 86_400
    (gap,) = gaps(slots(*three_days, much_later, much_later + 3_600), 3_600)
    assert gap == Gap(START + timedelta(days=3), START + timedelta(seconds=much_later), 2 * (50 * 365 - 3))


@given(EVERY_S, st.integers(3, 30), st.floats(0, 1e9))
def test_interval_of_a_schedule_is_found(every_s: int, count: int, phase_s: float) -> None:
    assert interval_s(slots(*(phase_s + n * every_s for n in range(count)))) == every_s


def test_triggered_recordings_have_no_interval() -> None:
    assert interval_s(slots(0, 7, 31, 99, 163, 400, 1_025)) is None
    assert interval_s(slots(0, 60)) is None
    assert interval_s(slots(0, 0, 0)) is None
    assert interval_s([]) is None


def test_overlap_has_the_length_of_the_shared_time() -> None:
    found = overlaps(slots(0, 3_600, 7_200, length=3_617))
    assert [(overlap.name, overlap.seconds) for overlap in found] == [("0.wav", 17), ("1.wav", 17)]
    assert not overlaps(slots(0, 3_600, length=3_600.5))
