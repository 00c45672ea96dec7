"""Slows down who tries passwords. Pure: the time is an argument."""

from collections import OrderedDict


class Throttle:
    """Lets each key try `tries` times at once, and then as often as they come back, one each `per_s / tries` seconds.

    A token bucket for each key. Of all keys only the `max_keys` that tried last are remembered, so that a crowd of
    made-up names takes no memory.
    """

    def __init__(self, tries: int, per_s: float, max_keys: int = 10_000) -> None:
        self._tries = tries
        self._each_s = per_s / tries
        self._max_keys = max_keys
        # When a key's tries will all have come back. Ordered by the last try, the latest last.
        self._full_at_s: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Count the keys that are remembered."""
        return len(self._full_at_s)

    def wait_s(self, key: str, now_s: float) -> float:
        """Return how long this key has to wait for its next try; 0 when it need not."""
        spent_s = max(self._full_at_s.get(key, now_s) - now_s, 0.0)
        return max(spent_s - (self._tries - 1) * self._each_s, 0.0)

    def take(self, key: str, now_s: float) -> None:
        """Count a try."""
        self._full_at_s[key] = max(self._full_at_s.get(key, now_s), now_s) + self._each_s
        self._full_at_s.move_to_end(key)
        while len(self._full_at_s) > self._max_keys:
            self._full_at_s.popitem(last=False)

    def give_back(self, key: str, now_s: float) -> None:
        """Take back a try that was counted: it was none."""
        left_s = self._full_at_s.get(key, now_s) - self._each_s
        if left_s > now_s:
            self._full_at_s[key] = left_s
        else:
            self.forget(key)

    def forget(self, key: str) -> None:
        """Give all tries back: this one knew the password."""
        self._full_at_s.pop(key, None)
