"""How prior variances are chosen, and how probable answers are under them."""

from dataclasses import replace

import numpy as np
import pytest

from promptrl.search.surrogate.data import Answers, Floats, Indices
from promptrl.search.surrogate.variances import TYPICAL, Variances, most_probable
from promptrl.search.surrogate.working_model import Working

N_ROWS = 6


def working(rng: np.random.Generator, n: int = 40) -> tuple[Working, Floats, Floats, Indices, Indices]:
    """Observations of 5 prompts on 6 rows, and everything as dense arrays: values, weights, prompt and row of each."""
    answers = Answers(3)
    features = rng.random((5, 3)) < 0.5
    prompt, row = rng.integers(5, size=n), rng.integers(N_ROWS - 1, size=n)
    pairs = list(dict.fromkeys(zip(prompt.tolist(), row.tolist(), strict=True)))
    for p, r in pairs:
        answers.add(str(p), features[p], r, float(rng.random() < 0.5))
    evidence = answers.evidence()
    values, weight = rng.normal(size=len(pairs)), rng.uniform(0.1, 0.3, len(pairs))
    return Working.observe(evidence, values, weight, N_ROWS), values, weight, evidence.prompt, evidence.row


@pytest.mark.parametrize("row_variance", [0.0, 0.7])
def test_deviation_is_that_of_the_whole_normal_distribution(row_variance: float) -> None:
    """As the covariance of all answers gives it, written out (Rasmussen & Williams 2006, eq. 2.30)."""
    rng = np.random.default_rng(0)
    found, values, weight, prompt, row = working(rng)
    root = rng.normal(size=(5, 5))
    prior = root @ root.T
    same_row = row[:, None] == row[None]
    whole = prior[np.ix_(prompt, prompt)] + row_variance * same_row + np.diag(1 / weight)
    residual, log_determinant = found.deviation(prior, row_variance)
    assert residual == pytest.approx(float(values @ np.linalg.solve(whole, values)))
    assert log_determinant - found.log_weight == pytest.approx(float(np.linalg.slogdet(whole)[1]))


def test_the_most_probable_variances_are_found() -> None:
    """Those that the answers speak for; nothing appears that was not there."""
    typical = replace(TYPICAL["logit"], pairs=0.0)

    def log_evidence(variances: Variances) -> float:
        return float(-50 * (np.log(variances.rows / 3.0) ** 2 + np.log(variances.misfit / 0.06) ** 2))

    found = most_probable(typical, typical, log_evidence)
    assert [found.rows, found.misfit] == pytest.approx([3.0, 0.06])
    assert (found.effects, found.pairs) == (typical.effects, 0.0)


def test_few_answers_leave_the_typical_variances() -> None:
    """Evidence of a tenth of a nat does not move them."""
    typical = TYPICAL["logit"]
    assert most_probable(typical, typical, lambda variances: 0.1 * (variances.effects > 10)) == typical
