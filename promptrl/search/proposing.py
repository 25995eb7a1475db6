"""When a proposer of edits is asked, for what kind of edit, which of its edits are kept, and which go again.

Pure decisions on what a search believes; who asks and writes down is another matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.proposer.operators import NO_OPERATOR
from promptrl.search.growth import EditBelief, GrowthRequest

PARTS = 8
"""A proposer is asked after 1/8, 2/8, ... of a search's calls."""
ASKS_EACH = 4
RETIRED_BELOW = 0.05
"""An edit goes when it is worth something with less than this probability."""
OPTIMISM = 1.0
"""A candidate is weighed by its mean and so many standard deviations."""
TYPICAL_WORTH = 0.03
"""Of an edit by an operator that nothing is known of, in the objective; as much as one edit weighs."""
WORTH_SD = 0.05
_STANDARD = NormalDist()


def is_due(number: int, rounds: int, request: GrowthRequest, *, from_start: bool) -> bool:
    """Whether it is time for a round, counted from 0: its part of the calls is spent, or nothing is left to ask.

    Args:
        number: Of the round.
        rounds: How many there are.
        request: Where the search stands.
        from_start: Whether the first one comes before any call.
    """
    if number >= rounds:
        return False
    part = (number if from_start else number + 1) / max(PARTS, rounds + 1)
    return request.is_exhausted or request.calls_used >= part * request.calls_allowed


def choose_candidates(
    mean: NDArray[np.float64], covariance: NDArray[np.float64], keep: int, noise: float = WORTH_SD
) -> list[int]:
    """The candidates that promise most, each other than those before it.

    Upper confidence bounds, where a candidate that is chosen counts as answered for those like it (batch
    Gaussian-process bandits, Desautels et al. 2014).

    Args:
        mean: What each is believed to be worth, shape (k,).
        covariance: Shape (k, k).
        keep: How many at most.
        noise: Standard deviation of what asking one tells.
    """
    left, known, chosen = list(range(len(mean))), covariance.copy(), list[int]()
    while left and len(chosen) < keep:
        bounds = mean + OPTIMISM * np.sqrt(np.maximum(0.0, np.diag(known)))
        best = max(left, key=lambda at: bounds[at])
        left.remove(best)
        chosen.append(best)
        known = known - np.outer(known[:, best], known[best]) / (known[best, best] + noise**2)
    return chosen


def is_worthless(belief: EditBelief) -> bool:
    """Whether an edit that had its own asks is hardly worth anything: then it is retired."""
    return belief.answers >= ASKS_EACH and _STANDARD.cdf(_ratio(belief)) < RETIRED_BELOW


@dataclass(frozen=True, slots=True)
class ProposerDecision:
    """Whether a proposer is asked, and for what.

    Attributes:
        operator: The kind of edit; "none" = it is not asked this time.
        gain: What the best of its edits is expected to add to the objective.
        price: What the calls of a round are expected to add if the search goes on without it.
    """

    operator: str
    gain: float
    price: float


def decide(
    earlier: Mapping[str, Sequence[EditBelief]],
    operators: Sequence[str],
    request: GrowthRequest,
    keep: int,
    rng: np.random.Generator,
    price_calls: float = 1.0,
) -> ProposerDecision:
    """Choose an operator by what its edits turned out to be worth (Thompson 1933), and weigh it against its price.

    The price is what is still to be gained, times the part of the calls left that a round takes: ``keep`` edits that
    are asked by themselves, and the call of the proposer.

    Args:
        earlier: What is believed of the edits that each operator has brought.
        operators: Those that can be asked for, the first to begin with.
        request: Where the search stands.
        keep: Edits that are kept of a round.
        rng: Draws the worths.
        price_calls: What a call of the proposer costs, in calls of the target.
    """
    known = [belief for beliefs in earlier.values() for belief in beliefs]
    drawn = {name: _drawn_worth(earlier.get(name, ()), rng) for name in operators}
    best = max(operators, key=lambda name: drawn[name]) if known else operators[0]
    gain = keep * _mean_worth(earlier.get(best, ()))
    left = max(1, request.calls_allowed - request.calls_used)
    headroom = 1.0 - request.leaders[0].mean if request.leaders else 1.0
    price = max(0.0, headroom) * min(1.0, (keep * ASKS_EACH + price_calls) / left)
    if request.is_exhausted or not known or gain >= price:
        return ProposerDecision(best, gain, 0.0 if request.is_exhausted else price)
    return ProposerDecision(NO_OPERATOR, gain, price)


def _ratio(belief: EditBelief) -> float:
    """By how many standard deviations an edit is worth something."""
    return belief.mean / max(belief.sd, 1e-9)


def _mean_worth(beliefs: Sequence[EditBelief]) -> float:
    """Expected worth of an edit: what it adds, or nothing where it is left out; with one typical edit beside."""
    worths = [b.mean * _STANDARD.cdf(_ratio(b)) + b.sd * _STANDARD.pdf(_ratio(b)) for b in beliefs]
    return (TYPICAL_WORTH + sum(worths)) / (1 + len(worths))


def _drawn_worth(beliefs: Sequence[EditBelief], rng: np.random.Generator) -> float:
    """A draw of what the next edit of an operator is worth in the mean."""
    drawn = [max(0.0, rng.normal(belief.mean, belief.sd)) for belief in beliefs]
    return float(rng.normal((TYPICAL_WORTH + sum(drawn)) / (1 + len(drawn)), WORTH_SD / (1 + len(drawn)) ** 0.5))
