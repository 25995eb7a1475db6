"""What a search believes of two prompts."""

import numpy as np

from promptrl.search.surrogate.belief import believed_gain
from promptrl.search.surrogate.features import Moves
from promptrl.search.surrogate.model import Surrogate
from tests.prompts.ticket_space import make_space

SPACE = make_space()


def test_the_belief_is_the_difference_of_two_means_and_shrinks_with_answers() -> None:
    """What both prompts have in common makes it no less certain; the other way round it has the other sign."""
    rng = np.random.default_rng(0)
    moves = Moves(SPACE)
    surrogate = Surrogate(moves.table, [f"r{at}" for at in range(60)], rng=rng)
    better = SPACE.apply(SPACE.baseline, next(i for i, e in enumerate(SPACE.edits) if e.text == "You are a judge."))
    means, deviations = [], []
    for n in (30, 400):
        while surrogate.n_answers < n:
            prompt = SPACE.draw(rng)
            score = float(rng.random() < (0.8 if prompt.slot("role") == "You are a judge." else 0.3))
            surrogate.add(prompt.prompt_id, moves.features(prompt), int(rng.integers(60)), score)
        surrogate.fit()
        gain = believed_gain(surrogate, moves)
        mean, sd = gain(better, SPACE.baseline)
        back, _ = gain(SPACE.baseline, better)
        assert back == -mean
        features = np.stack([moves.features(p) for p in (better, SPACE.baseline)])
        first, second = surrogate.mean(features, [better.prompt_id, SPACE.baseline.prompt_id])
        assert mean == first - second
        means.append(mean)
        deviations.append(sd)
    assert deviations[1] < deviations[0]
    assert abs(means[1] - 0.5) < 3 * deviations[1]
