"""The callback for the progress of work on recordings."""

from collections.abc import Callable

OnRecording = Callable[[int, int], None]
"""Called after each recording with the number of finished recordings and the total."""
