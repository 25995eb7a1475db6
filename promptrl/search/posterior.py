"""What a search leaves behind of its prompts, and what further answers make of it."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from promptrl.evaluation.pairing import inputs_of, means_by_input, rows_by_input
from promptrl.prompts.prompt import Prompt
from promptrl.search.result import Candidate, SearchResult
from promptrl.search.surrogate.features import Moves
from promptrl.search.surrogate.posterior import SurrogatePosterior
from promptrl.stats.knowledge_gradient import JointNormal
from promptrl.tasks.dataset import Example

CAUTION = 1.5
"""What the deviations of a search's belief are multiplied by where it is weighed against fresh rows: it is too sure of
its pick. A surrogate that takes these rows in needs none."""
NO_IDEA_SD = 0.5
"""Of a prompt that the search has no posterior of."""
PRIOR_VARIANCE, PRIOR_ROWS = 0.25, 2
"""The variance of a prompt's answers starts as if so many rows had shown this."""
ROW_SHARE = 0.3
"""Part of that variance that answers of two prompts to one row have in common."""


class PromptPosterior(Protocol):
    """What is believed of any prompts, in the light of every answer so far."""

    def joint(self, prompts: Sequence[Prompt]) -> JointNormal:
        """Of different prompts together, on a linear scale of its own: the higher, the better."""

    def learn(self, answers: Sequence[tuple[Prompt, Example, float]]) -> None:
        """Take in objectives of prompts on rows that they were not asked on before."""


class SeparatePosterior:
    """Every prompt for itself: the search's means and deviations, and answers weighed by their precision.

    Conjugate normal (Gelman et al. 2013, 3.5); prompts that answer the same rows err alike. Rows of one input count as
    one.

    Args:
        candidates: Means and deviations that the search came to; of other prompts nothing is known.
        rows: All that prompts may be asked on.
    """

    def __init__(self, candidates: Sequence[Candidate], rows: Sequence[Example]) -> None:
        self._known = {candidate.prompt.prompt_id: candidate for candidate in reversed(candidates)}
        self._typical = float(np.mean([candidate.mean for candidate in candidates])) if candidates else 0.0
        self._number = {row.id: at for at, row in enumerate(rows)}
        self._inputs = rows_by_input(rows, inputs_of(rows))
        self._answers: dict[str, NDArray[np.float64]] = {}

    def joint(self, prompts: Sequence[Prompt]) -> JointNormal:
        """As ``PromptPosterior`` says, on the scale of the objective."""
        known = [self._known.get(prompt.prompt_id) for prompt in prompts]
        mean = np.array([self._typical if candidate is None else candidate.mean for candidate in known])
        covariance = np.diag([NO_IDEA_SD**2 if c is None else (CAUTION * c.sd) ** 2 for c in known])
        noise = np.full(len(prompts), PRIOR_VARIANCE)
        asked = [at for at, prompt in enumerate(prompts) if prompt.prompt_id in self._answers]
        if asked:
            answers = [means_by_input(self._answers[prompts[at].prompt_id], self._inputs) for at in asked]
            found, errors, noise[asked] = _means_and_errors(answers)
            prior = covariance[np.ix_(asked, asked)]
            gain = np.linalg.solve(prior + errors, prior).T
            mean[asked] += gain @ (found - mean[asked])
            covariance[np.ix_(asked, asked)] = prior - gain @ prior
        return JointNormal(mean, covariance, noise)

    def learn(self, answers: Sequence[tuple[Prompt, Example, float]]) -> None:
        """As ``PromptPosterior`` says."""
        for prompt, row, objective in answers:
            known = self._answers.setdefault(prompt.prompt_id, np.full(len(self._number), np.nan))
            known[self._number[row.id]] = objective


def posterior_of(found: SearchResult, rows: Sequence[Example]) -> PromptPosterior:
    """What a search has learned, ready for answers on further rows."""
    if found.surrogate is None:
        return SeparatePosterior(found.candidates, rows)
    return SurrogatePosterior(Moves(found.space), found.surrogate, rows)


def _means_and_errors(
    answers: Sequence[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean of each one's answers, the covariance of these means, and the variance of a single answer.

    Args:
        answers: By input, NaN = none; each has some.
    """
    table = np.stack(answers)
    known = ~np.isnan(table)
    counts = known.sum(axis=1)
    means = np.nanmean(table, axis=1)
    squares = np.nansum(np.square(table - means[:, None]), axis=1)
    variances = (squares + PRIOR_ROWS * PRIOR_VARIANCE) / (counts + PRIOR_ROWS)
    sds = np.sqrt(variances)
    shared = known.astype(np.float64) @ known.T / np.outer(counts, counts)
    errors = ROW_SHARE * np.outer(sds, sds) * shared
    np.fill_diagonal(errors, variances / counts)
    return means, errors, variances
