"""How far wording tells what an option is worth: compared by words, believed as far as the answers bear it out."""

import numpy as np
import pytest

from promptrl.search.surrogate.model import Surrogate
from promptrl.search.surrogate.similarity import prior_correlation, wording_similarity
from tests.search.surrogate.factorial import ROW_IDS, table

WORDS = ("alpha", "bravo", "carol", "delta", "eagle", "fjord", "gamma", "hotel")


def test_texts_are_alike_by_words_and_neighbours() -> None:
    """An equal text is like itself, one in other words is not, and no text is like nothing."""
    found = wording_similarity(table(("Think step by step.", "think  Step by step.", "Ask.", ""), [0, 0, 0, 0]))
    assert found[0, 1] == pytest.approx(1.0)
    assert 0 < found[0, 2] < 0.5
    assert not found[3].any()
    closer = wording_similarity(table(("Count the words.", "Count the letters.", "Letters the count."), [0, 0, 0]))
    assert closer[0, 1] > closer[0, 2]


def test_the_prior_is_a_correlation_at_any_share() -> None:
    """Also with texts that are equal but for case."""
    features = table(("One two.", "one two.", "Three four five.", ""), [0, 0, 0, 0])
    for share in (0.0, 0.3, 0.9):
        prior = prior_correlation(features, wording_similarity(features), share)
        assert np.linalg.eigvalsh(prior).min() > 0
        assert np.diag(prior).tolist() == [1.0] * 4


@pytest.mark.parametrize("follows_wording", [True, False])
def test_the_share_of_wording_is_learned(follows_wording: bool) -> None:
    """Where options with a word are right and others wrong, wording is trusted; where chance says so, it is not."""
    rng = np.random.default_rng(4)
    texts = tuple(f"{a} {b} {c}" for a in WORDS[:4] for b in WORDS[4:] for c in ("now", "then"))
    good = np.array([text.startswith(("alpha", "bravo")) for text in texts])
    good = good if follows_wording else rng.permutation(good)
    surrogate = Surrogate(table(texts, [0] * len(texts)), ROW_IDS, rng=np.random.default_rng(0))
    for row in range(20):
        for option in range(len(texts)):
            held = np.arange(len(texts)) == option
            surrogate.add(str(option), held, row, float(rng.random() < (0.8 if good[option] else 0.2)))
    surrogate.fit()
    assert (surrogate.variances.wording_share >= 0.6) == follows_wording
