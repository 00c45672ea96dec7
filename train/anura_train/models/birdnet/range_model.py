"""The range model of BirdNET v2.4: a score for each species at a position and in a week of the year.

Latitude, longitude and week are encoded as 48 sines each, with different phases. Three dense layers with ReLU and one
with a sigmoid follow. A year has 48 weeks, four per month. The weights are float16, the computation is float32.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from anura_edge.errors import ModelError
from anura_train.models.tflite import TfliteGraph

WEEKS = 48

MIN_SCORE = 0.03
"""Lowest score of a species that is expected at a position; the default of BirdNET-Analyzer (`--sf_thresh`)."""

Floats = NDArray[np.float32]


class RangeModel:
    """Computes the range model in NumPy."""

    def __init__(self, graph: TfliteGraph) -> None:
        """Read the constants of the graph. Raises ModelError for the file of another network."""
        try:
            self._factors = [graph.constants_of(operator)[0] for operator in graph.find("MUL")[:9]]
            self._terms = [graph.constants_of(operator)[0] for operator in graph.find("ADD")]
            self._layers = [graph.constants_of(operator) for operator in graph.find("FULLY_CONNECTED")]
            self.outputs = len(self.scores(0.0, 0.0))
        except (IndexError, ValueError) as error:
            raise ModelError(
                f"{graph.source} is not the range model of BirdNET v2.4: {error}; copy it again"
            ) from error

    def scores(self, latitude: float, longitude: float) -> Floats:
        """Return each species' highest score of the year at a position in degrees, (outputs,), 0 to 1."""
        weekly = self.weekly_scores(latitude, longitude, np.arange(1, WEEKS + 1, dtype=np.float32))
        return np.asarray(weekly.max(0))

    def weekly_scores(self, latitude: float, longitude: float, weeks: Floats) -> Floats:
        """Return scores (weeks, outputs) at a position in degrees; `weeks` has numbers from 1 to WEEKS."""
        first, second = np.float32(latitude) + self._terms[0], np.float32(longitude) + self._terms[2]
        position = np.concatenate([self._sines(first, 0), self._sines(second, 1)])
        layer = np.stack([np.concatenate([position, self._sines(week - np.float32(1), 2)]) for week in weeks])
        for weights, bias in self._layers[:-1]:
            layer = np.maximum(layer @ weights.T + bias, 0)
        weights, bias = self._layers[-1]
        return np.asarray(expit(layer @ weights.T + bias), np.float32)

    def _sines(self, value: Floats | np.float32, number: int) -> Floats:
        """Encode one of the three inputs: sqrt(2) * sin(2 pi * fraction + phases), (48,)."""
        fraction, turn, amplitude = self._factors[3 * number : 3 * number + 3]
        phases = self._terms[1]
        return np.asarray(np.sin(value * fraction * turn + phases) * amplitude, np.float32)
