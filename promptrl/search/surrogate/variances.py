"""The prior variances of the surrogate, and the choice of them by marginal likelihood (MacKay 1992)."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from typing import Literal

import numpy as np

Link = Literal["logit", "identity"]
"""What is taken for linear: the log odds of the objective, or the objective itself."""


@dataclass(frozen=True, slots=True)
class Variances:
    """Prior variances, on the linear scale in units of the noise variance; 0 = there is no such thing.

    Attributes:
        effects: Of the value of a random prompt by its single features.
        pairs: The same by its pairs of features.
        triples: The same by three options together.
        rows: Of row difficulty.
        misfit: Of what features can't explain of a prompt.
        wording_share: Part of ``effects`` that wording explains.
    """

    effects: float
    pairs: float
    triples: float
    rows: float
    misfit: float
    wording_share: float


TYPICAL: dict[Link, Variances] = {
    "logit": Variances(effects=3.0, pairs=1.5, triples=0.5, rows=1.0, misfit=0.2, wording_share=0.3),
    "identity": Variances(effects=0.6, pairs=0.4, triples=0.1, rows=0.3, misfit=0.05, wording_share=0.3),
}
"""Median of the log-normal prior on each variance, and where it starts."""
TYPICAL_SD = 1.0
"""Its spread, on the log scale: few answers can't say that nothing matters."""
STEPS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Multiples of the typical value that are tried."""
WORDING_SHARES = (0.1, 0.3, 0.6, 0.9)
"""Shares that are tried, all of them equally likely beforehand; few answers can't say that wording tells nothing."""
ROUNDS = 2


def most_probable(start: Variances, typical: Variances, log_evidence: Callable[[Variances], float]) -> Variances:
    """The variances with the highest posterior probability, found one after the other, twice round.

    Args:
        start: Where to begin.
        typical: Medians of the prior; what is 0 stays 0.
        log_evidence: Log marginal likelihood of the answers under variances, up to a constant.
    """
    medians = {name: value for name, value in asdict(typical).items() if value > 0 and name != "wording_share"}

    @cache
    def log_probability(variances: Variances) -> float:
        surprises = [np.log(getattr(variances, name) / median) for name, median in medians.items()]
        return log_evidence(variances) - 0.5 * float(np.square(surprises).sum()) / TYPICAL_SD**2

    chosen, best = start, log_probability(start)
    choices = {name: [step * median for step in STEPS] for name, median in medians.items()}
    choices["wording_share"] = list(WORDING_SHARES)
    for _, name in product(range(ROUNDS), choices):
        tried = [replace(chosen, **{name: value}) for value in choices[name]]
        for variances in tried:
            found = log_probability(variances)
            if found > best:
                chosen, best = variances, found
    return chosen
