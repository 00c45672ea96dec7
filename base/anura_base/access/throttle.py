"""Rate limit for passwords. It reads no clock: the time is an argument."""

from collections import OrderedDict


class Throttle:
    """A token bucket for each key: `tries` without a pause, then one more every `per_s / tries` seconds.

    Only the `max_keys` keys with the latest tries are stored, so invented names cannot fill the memory.
    """

    def __init__(self, tries: int, per_s: float, max_keys: int = 10_000) -> None:
        self._tries = tries
        self._each_s = per_s / tries
        self._max_keys = max_keys
        # The time at which the bucket of a key is full again. Sorted by the last try, the latest last.
        self._full_at_s: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of stored keys."""
        return len(self._full_at_s)

    def wait_s(self, key: str, now_s: float) -> float:
        """Return the time until the next try of this key is allowed, 0 if it is allowed now."""
        spent_s = max(self._full_at_s.get(key, now_s) - now_s, 0.0)
        return max(spent_s - (self._tries - 1) * self._each_s, 0.0)

    def count(self, key: str, now_s: float) -> None:
        """Count a try."""
        self._full_at_s[key] = max(self._full_at_s.get(key, now_s), now_s) + self._each_s
        self._full_at_s.move_to_end(key)
        while len(self._full_at_s) > self._max_keys:
            self._full_at_s.popitem(last=False)

    def refund(self, key: str, now_s: float) -> None:
        """Remove one counted try."""
        left_s = self._full_at_s.get(key, now_s) - self._each_s
        if left_s > now_s:
            self._full_at_s[key] = left_s
        else:
            self.reset(key)

    def reset(self, key: str) -> None:
        """Remove all counted tries of a key, after a correct password."""
        self._full_at_s.pop(key, None)
