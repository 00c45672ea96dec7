"""The most useful pieces come first: the model is undecided about them, and they differ."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anura_train.suggestions.ranking import rank, uncertainty

UNITS = st.floats(0, 1, width=32)


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(arrays(np.float32, n, elements=UNITS), arrays(np.float32, (n, 3), elements=UNITS))
    ),
    st.integers(1, 15),
)
def test_each_piece_is_chosen_once_and_the_most_doubtful_first(
    given_pieces: tuple[np.ndarray, np.ndarray], count: int
) -> None:
    doubt, embeddings = given_pieces
    chosen = rank(doubt, embeddings, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(doubt))
    assert doubt[chosen[0]] == doubt.max()
    # More suggestions only add to fewer.
    assert rank(doubt, embeddings, max(1, count - 1)) == chosen[: max(1, min(count - 1, len(doubt)))]


def test_copy_of_a_chosen_piece_comes_after_all_others() -> None:
    embeddings = np.array([[1, 0], [2, 0], [0, 1], [1, 1]], np.float32)
    assert rank(np.array([0.9, 0.8, 0.1, 0.1], np.float32), embeddings, 4) == [0, 2, 3, 1]


@pytest.mark.parametrize(("probability", "expected"), [(0.5, 1.0), (0.0, 0.0), (1.0, 0.0), (0.25, 0.5), (0.75, 0.5)])
def test_uncertainty_is_that_of_the_most_doubtful_label(probability: float, expected: float) -> None:
    assert uncertainty(np.array([[0.01, probability]], np.float32))[0] == pytest.approx(max(expected, 0.02), abs=1e-6)
