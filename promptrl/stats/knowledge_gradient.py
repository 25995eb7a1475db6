"""Whose answers to ask for next: theirs that are expected to raise the best posterior mean most.

The knowledge gradient for correlated normal beliefs (Frazier et al. 2009): an answer of one alternative moves
the means of all that are believed to be like it, and is worth what the highest mean is expected to gain by that. One
answer seldom turns an order round, so that alone it is worth next to nothing everywhere: an alternative is weighed by
what several answers would tell (Frazier & Powell 2010). A batch is chosen one by one, each as if those before it were
answered.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
NODE_WEIGHTS = NODE_WEIGHTS / NODE_WEIGHTS.sum()
LEAST_VARIANCE = 1e-9


@dataclass(frozen=True, slots=True)
class JointNormal:
    """What is believed of some alternatives together, on one linear scale.

    Attributes:
        mean: Shape (k,).
        covariance: Shape (k, k).
        noise: Variance of one further answer of each around its value, shape (k,); infinite where none can be had.
    """

    mean: Floats
    covariance: Floats
    noise: Floats


def choose_asks(belief: JointNormal, n: int, answers_each: float) -> list[int]:
    """Which alternative gives each of the next answers; one may come several times.

    Args:
        belief: Of all that may be asked, or may win.
        n: Answers to ask for.
        answers_each: Answers by whose worth an alternative is weighed, at least 1.

    Returns:
        Their numbers, shape (n,).
    """
    covariance, chosen = belief.covariance.copy(), []
    for _ in range(n):
        variance = np.maximum(np.diag(covariance), LEAST_VARIANCE)
        moves = covariance / np.sqrt(variance + belief.noise / answers_each)
        at = int(_expected_best(belief.mean, moves).argmax())
        told = covariance[:, at] / np.sqrt(variance[at] + belief.noise[at])
        covariance -= np.outer(told, told)
        chosen.append(at)
    return chosen


def _expected_best(mean: Floats, moves: Floats) -> Floats:
    """The highest mean to expect after asking each: by column how far an answer of that one moves every mean."""
    best = np.zeros(len(mean))
    for node, weight in zip(NODES, NODE_WEIGHTS, strict=True):
        best += weight * (mean[:, None] + node * moves).max(axis=0)
    return best
