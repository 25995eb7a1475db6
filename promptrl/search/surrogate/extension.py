"""A surrogate's state where prompts can hold more: everything learned stays, new features start at their prior."""

from dataclasses import replace

import numpy as np

from promptrl.search.surrogate.data import AnswerList, Bools, Indices
from promptrl.search.surrogate.features import FeatureTable
from promptrl.search.surrogate.pairs import MOST_AFTER_GROWTH, more_pairs
from promptrl.search.surrogate.regression import Weights
from promptrl.search.surrogate.state import SurrogateRules, SurrogateState, generator
from promptrl.search.surrogate.triples import PARITIES, RandomParityFeatures
from promptrl.search.surrogate.variances import TYPICAL, Variances


def extend_state(state: SurrogateState, table: FeatureTable, places: Indices, held: Bools) -> SurrogateState:
    """The same state with more features.

    Args:
        state: What was learned.
        table: All features, the present ones among them.
        places: Number there of each present feature, shape (n_features,).
        held: Which of the new features every prompt asked so far holds, shape (len(table),).

    Returns:
        A state in which answers, variances, pairs and parities of present features are as they were. Where several
        growths have brought more pairs than an update can carry, the next fit chooses among them anew.
    """
    rng, rules = generator(state.rng), state.rules
    is_new = np.ones(len(table), dtype=np.bool_)
    is_new[places] = False
    wanted = PARITIES if rules.with_triples else 0
    parities = state.parities.extended(table.slot_of, places, rng, wanted)
    present = np.sort(places[state.pairs], axis=1)
    strength = np.zeros(len(table))
    strength[places] = np.abs(state.weights.columns[1 : 1 + len(places)])
    pairs = more_pairs(present, strength, table, is_new, rng) if rules.with_pairs else present
    columns = _columns(state, places, parities, present, pairs)
    n_columns = 1 + len(table) + len(parities) + len(pairs)
    return replace(
        state,
        table=table,
        variances=_with_triples(state.variances, rules, parities),
        answers=_with_features(state.answers, places, held & is_new),
        parities=parities,
        pairs=pairs,
        tune_at=len(state.answers.prompt_ids) if len(pairs) > MOST_AFTER_GROWTH else state.tune_at,
        weights=_moved(state.weights, columns, n_columns),
        linearized_at=_moved(state.linearized_at, columns, n_columns),
        rng=rng.bit_generator.state,
    )


def _columns(
    state: SurrogateState, places: Indices, parities: RandomParityFeatures, present: Indices, pairs: Indices
) -> Indices:
    """Where each column of the state stands among the new ones."""
    n_features = len(parities.flips) - 1
    number = {(int(i), int(j)): at for at, (i, j) in enumerate(pairs)}
    of_parities = 1 + n_features + np.arange(len(state.parities))
    of_pairs = [1 + n_features + len(parities) + number[int(i), int(j)] for i, j in present]
    return np.concatenate([[0], 1 + places, of_parities, of_pairs]).astype(np.intp)


def _moved(weights: Weights, columns: Indices, n_columns: int) -> Weights:
    moved = np.zeros(n_columns)
    moved[columns] = weights.columns
    return replace(weights, columns=moved)


def _with_features(answers: AnswerList, places: Indices, held: Bools) -> AnswerList:
    features = np.repeat(held[None], len(answers.prompt_ids), axis=0)
    features[:, places] = answers.features
    return replace(answers, features=features)


def _with_triples(variances: Variances, rules: SurrogateRules, parities: RandomParityFeatures) -> Variances:
    """Triples matter as much as they typically do where there were none before."""
    if variances.triples or not len(parities):
        return variances
    return replace(variances, triples=TYPICAL[rules.link].triples)
