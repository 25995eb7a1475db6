"""Prompts of four slots with three options each, and surrogates that learn what they are worth."""

from typing import Any

import numpy as np
from scipy.special import expit

from promptrl.search.surrogate.data import Bools, Floats
from promptrl.search.surrogate.features import FeatureTable
from promptrl.search.surrogate.model import Surrogate
from promptrl.search.surrogate.state import SurrogateRules

SLOT_OF = np.repeat(np.arange(4), 3)
ROWS = 40

ROW_IDS = tuple(f"row {number}" for number in range(ROWS))


def table(texts: tuple[str, ...], slot_of: Any) -> FeatureTable:
    """Options of slots."""
    n = len(texts)
    return FeatureTable(texts, ("option",) * n, np.asarray(slot_of), np.zeros(n), np.full(n, -1))


def surrogate(**options: Any) -> Surrogate:
    """One that has no answers, under these ``SurrogateRules``."""
    texts = tuple(f"option {i}" for i in range(12))
    return Surrogate(table(texts, SLOT_OF), ROW_IDS, rng=np.random.default_rng(0), rules=SurrogateRules(**options))


def everything() -> Bools:
    """All 81 prompts, shape (81, 12)."""
    codes = np.stack(np.meshgrid(*[np.arange(3)] * 4, indexing="ij"), -1).reshape(-1, 4)
    return np.stack([np.eye(3, dtype=bool)[codes[:, s]] for s in range(4)], 1).reshape(-1, 12)


def taught(
    model: Surrogate,
    logits: Floats,
    n: int,
    rng: np.random.Generator,
    rows: int = ROWS,
    difficulty: Floats | None = None,
) -> Surrogate:
    """The model after n answers of random prompts on random rows."""
    prompts = everything()
    difficulty = np.zeros(ROWS) if difficulty is None else difficulty
    for _ in range(n):
        p, r = int(rng.integers(len(prompts))), int(rng.integers(rows))
        model.add(str(p), prompts[p], r, float(rng.random() < expit(logits[p] - difficulty[r])))
        if model.n_answers % 50 == 0:
            model.fit()
    model.fit()
    return model


def landscape(rng: np.random.Generator) -> Floats:
    """Log odds of all prompts: single and pair effects."""
    x = everything()
    pair = np.triu(rng.normal(0, 1.0, (12, 12)) * (rng.random((12, 12)) < 0.3), 1)
    return np.asarray(-0.5 + x @ rng.normal(0, 1.0, 12) + np.einsum("ni,ij,nj->n", x, pair, x))
