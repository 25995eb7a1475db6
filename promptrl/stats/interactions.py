"""Which edits need, or spoil, each other: a Bayesian linear model with pairs, on all answers of a search.

Scores are explained by edits, pairs of edits from two slots, and rows; every group of coefficients has a normal prior
whose width is the one of a few under which the answers are likeliest (empirical Bayes: MacKay 1992, Neural Computation
4:415-447). What an agent asks depends on earlier answers, which a likelihood may ignore as long as the model is right;
so this is a reading of the run, not a proof, and it is weakest where few answers hold both edits.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg, stats

from promptrl.stats.main_effects import BoolArray, FloatArray

IntArray = npt.NDArray[np.int_]

MAX_EDITS = 32
"""Of a larger space only the edits are paired of which the asked prompts differ most."""
MIN_ANSWERS, MAX_ANSWERS = 80, 5_000
"""Of more answers so many are read, evenly spaced over the search, for more would take minutes."""
MIN_EACH = 5
"""A pair that fewer of the answers hold is not shown."""
SHARES = (0.02, 0.2, 1.0)
"""Prior standard deviations of a coefficient to choose from, in those of an answer's noise."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """Two edits together.

    Attributes:
        first: Number of one edit in the edit space.
        second: Number of the other; of another slot.
        strength: How much better both together score than the sum of what each does, both measured from the mean
            over the states of its slot.
        low: Lower end of the interval.
        high: Upper end.
        answers: To prompts that hold both.
    """

    first: int
    second: int
    strength: float
    low: float
    high: float
    answers: int


def interactions(
    holds: BoolArray,
    slots: Sequence[str],
    row_ids: Sequence[str],
    scores: Sequence[float],
    confidence: float = 0.9,
) -> list[Interaction]:
    """Estimate how pairs of edits work together, the strongest first.

    Args:
        holds: Which edits the prompt of each answer holds, shape (n_answers, n_edits).
        slots: The slot of each edit; only edits of different slots make a pair.
        row_ids: The row of each answer.
        scores: Of each answer, in [0, 1].
        confidence: Posterior probability of each interval.

    Returns:
        The pairs that at least ``MIN_EACH`` answers hold; none below ``MIN_ANSWERS`` answers.
    """
    if len(scores) < MIN_ANSWERS:
        return []
    read = np.unique(np.linspace(0, len(scores) - 1, MAX_ANSWERS).astype(int))
    held, rows, values = np.asarray(holds, dtype=np.float64)[read], np.asarray(row_ids)[read], np.asarray(scores)[read]
    kept = np.sort(np.argsort(-held.var(0), kind="stable")[:MAX_EDITS])
    held, places = held[:, kept], [slots[edit] for edit in kept]
    pairs = [(a, b) for a, b in itertools.combinations(range(len(kept)), 2) if places[a] != places[b]]
    if not pairs:
        return []
    first, second = np.array(pairs).T
    strength, deviation = _strengths(held, _centring(held, places), first, second, rows, values)
    reach = float(stats.norm.ppf((1 + confidence) / 2)) * deviation
    together = (held.T @ held)[first, second].astype(int)
    found = [
        Interaction(int(kept[a]), int(kept[b]), float(m), float(m - r), float(m + r), int(n))
        for (a, b), m, r, n in zip(pairs, strength, reach, together, strict=True)
        if MIN_EACH <= n <= len(held) - MIN_EACH
    ]
    return sorted(found, key=lambda pair: (-abs(pair.strength), pair.first, pair.second))


def _strengths(
    held: FloatArray,
    centring: FloatArray,
    first: IntArray,
    second: IntArray,
    row_ids: npt.NDArray[np.str_],
    values: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Posterior mean and deviation of each pair's strength, a contrast of the coefficients of pairs."""
    centred = held @ centring
    rows = np.unique(row_ids, return_inverse=True)[1]
    blocks = [centred, centred[:, first] * centred[:, second], np.eye(rows.max() + 1)[rows]]
    mean, covariance = _posterior(blocks, values)
    of_pairs = slice(held.shape[1], held.shape[1] + len(first))
    contrast = centring[np.ix_(first, first)] * centring[np.ix_(second, second)]
    contrast += centring[np.ix_(first, second)] * centring[np.ix_(second, first)]
    variance = np.einsum("ij,jk,ik->i", contrast, covariance[of_pairs, of_pairs], contrast, optimize=True)
    return contrast @ mean[of_pairs], np.sqrt(variance)


def _centring(held: FloatArray, slots: Sequence[str]) -> FloatArray:
    """Turns what a prompt holds into distances from the mean over the states of each slot, shape (n_edits, n_edits).

    Edits of one slot that are never held together are states that exclude each other; where some prompts hold none of
    them, that is one more state.
    """
    n = held.shape[1]
    is_apart = (held.T @ held == 0) | np.eye(n, dtype=np.bool_)
    same = np.array([[a == b for b in slots] for a in slots]) & is_apart
    is_complete = np.isclose(held @ same.astype(np.float64), 1).all(0)
    shares = 1 / (same.sum(0) + ~is_complete)
    return np.asarray(np.eye(n) - same * shares, dtype=np.float64)


def _posterior(blocks: Sequence[FloatArray], values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance of all coefficients under the likeliest prior, which has one width for each block."""
    design = np.hstack(blocks)
    design -= design.mean(0)
    target = values - values.mean()
    gram, moment = design.T @ design, design.T @ target
    sizes = [block.shape[1] for block in blocks]
    fits = [_fit(gram, moment, target, np.repeat(shares, sizes)) for shares in itertools.product(SHARES, repeat=3)]
    _, mean, noise, shares = max(fits, key=lambda fit: fit[0])
    inverse: FloatArray = linalg.cho_solve(linalg.cho_factor(gram + np.diag(shares**-2.0)), np.eye(mean.size))
    return mean, noise * inverse


def _fit(
    gram: FloatArray, moment: FloatArray, target: FloatArray, shares: FloatArray
) -> tuple[float, FloatArray, float, FloatArray]:
    """Log evidence up to a constant, posterior mean, the noise's variance (profiled out), and the prior given."""
    factor = linalg.cho_factor(gram + np.diag(shares**-2.0), lower=True)
    mean: FloatArray = linalg.cho_solve(factor, moment)
    noise = max(float(target @ target - moment @ mean) / target.size, 1e-6)
    evidence = -np.log(np.diag(factor[0])).sum() - np.log(shares).sum() - target.size / 2 * np.log(noise)
    return float(evidence), mean, noise, shares
